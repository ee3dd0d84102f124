/**
 * Makes the copy use what its assignment says, beside all else that is done to it: a guest may take
 * its time to give memory back.
 */
import {
  type CopyResources,
  type CopyView,
  type EngineCopy,
  type ErrorDetail,
  toDomainError,
} from "@innkeeper/core";
import type { RunnerContext } from "./runner-context.js";

/** Pause before what failed for a passing reason is tried again. */
const RETRY_MS = 1_000;
/** Pause before what the guest or the engine refused is tried again: guests change their mind. */
const REFUSED_RETRY_MS = 15_000;

export class ResourceSetter {
  #copy: EngineCopy | undefined;
  #applied: CopyResources | undefined;
  #isBusy = false;
  #error: ErrorDetail | undefined;

  constructor(
    private readonly context: Pick<RunnerContext, "clock" | "log">,
    /** Something has changed. */
    private readonly onChanged: () => void,
  ) {}

  get view(): Pick<CopyView, "applied" | "isResizing" | "resizeError"> {
    return { applied: this.#applied, isResizing: this.#isBusy, resizeError: this.#error };
  }

  get error(): ErrorDetail | undefined {
    return this.#error;
  }

  /** There is another copy; `applied` undefined = what limits it has is not known. */
  attach(copy: EngineCopy, applied: CopyResources | undefined): void {
    this.#copy = copy;
    this.#applied = applied;
    this.#isBusy = false;
    this.#error = undefined;
  }

  /** There is another assignment: what failed may be tried again. */
  retry(): void {
    this.#error = undefined;
  }

  begin(copy: EngineCopy, { cpuMillis, memoryMib }: CopyResources): void {
    this.#isBusy = true;
    this.#applied = undefined;
    const applied = { cpuMillis, memoryMib };
    copy.setResources(applied).then(
      () => this.#end(copy, { applied, error: undefined }),
      (thrown: unknown) => this.#fail(copy, thrown),
    );
  }

  #fail(copy: EngineCopy, thrown: unknown): void {
    const error = toDomainError(thrown);
    this.context.log.warn({ ...copy.ref, error }, "the resources of a guest cannot be changed");
    const failed = { applied: undefined, error: error.detail };
    const again = { applied: undefined, error: undefined };
    const isRefused = error.kind === "precondition";
    if (isRefused) this.#end(copy, failed);
    this.context.clock.schedule(isRefused ? REFUSED_RETRY_MS : RETRY_MS, () => {
      if (!isRefused || this.#error === failed.error) this.#end(copy, again);
    });
  }

  #end(
    copy: EngineCopy,
    result: { applied: CopyResources | undefined; error: ErrorDetail | undefined },
  ): void {
    if (this.#copy !== copy) return;
    this.#isBusy = false;
    this.#applied = result.applied;
    this.#error = result.error;
    this.onChanged();
  }
}
