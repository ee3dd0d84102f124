/**
 * Makes the copy use what its assignment says, beside all else that is done to it: a guest may take
 * its time to give memory back.
 */
import {
  type AppliedResources,
  type CopyView,
  type EngineCopy,
  type ErrorDetail,
  type GuestAssignment,
  toDomainError,
} from "@innkeeper/core";
import type { RunnerContext } from "./runner-context.js";
import { settleSnapshots } from "./settle-snapshots.js";
import { dataDiskNames, presentDisks } from "./wanted-disks.js";

/** Pause before what failed for a passing reason is tried again. */
const RETRY_MS = 1_000;
/** Pause before what the guest or the engine refused is tried again: guests change their mind. */
const REFUSED_RETRY_MS = 15_000;

/** Kinds of errors that stay until somebody changes something. */
const REFUSALS: readonly ErrorDetail["kind"][] = ["precondition", "capacity", "invalid"];

/** What a copy has that was launched, or set, as the assignment says. */
export function appliedBy(assignment: GuestAssignment): AppliedResources {
  const { cpuMillis, memoryMib, limits, diskMib, dataDisks, snapshots } = assignment;
  const kept = snapshots && { snapshots };
  const optional = { ...(limits && { limits }), ...(dataDisks && { dataDisks }), ...kept };
  return { cpuMillis, memoryMib, diskMib, ...optional };
}

export class ResourceSetter {
  #copy: EngineCopy | undefined;
  #applied: AppliedResources | undefined;
  #isBusy = false;
  #error: ErrorDetail | undefined;

  constructor(
    private readonly context: Pick<RunnerContext, "clock" | "disks" | "log">,
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
  attach(copy: EngineCopy, applied: AppliedResources | undefined): void {
    this.#copy = copy;
    this.#applied = applied;
    this.#isBusy = false;
    this.#error = undefined;
  }

  /** There is another assignment: what failed may be tried again. */
  retry(): void {
    this.#error = undefined;
  }

  begin(copy: EngineCopy, assignment: GuestAssignment): void {
    this.#isBusy = true;
    this.#applied = undefined;
    const applied = appliedBy(assignment);
    this.#apply(copy, assignment).then(
      () => this.#end(copy, { applied, error: undefined }),
      (thrown: unknown) => this.#fail(copy, thrown),
    );
  }

  /** Disks that are gone for the guest are removed last: nothing may still be written there. */
  async #apply(copy: EngineCopy, assignment: GuestAssignment): Promise<void> {
    const { disks } = this.context;
    const { guestUid } = assignment;
    await copy.setResources(assignment);
    await copy.setDisks(await disks.add(guestUid, presentDisks(assignment)));
    await settleSnapshots(disks, assignment, {
      take: (snapshot) => copy.takeSnapshot(snapshot),
      remove: async (uid) => {
        await copy.removeSnapshot(uid);
        await disks.removeState(guestUid, uid);
      },
    });
    await disks.keepOnly(guestUid, dataDiskNames(assignment));
  }

  #fail(copy: EngineCopy, thrown: unknown): void {
    const error = toDomainError(thrown);
    this.context.log.warn({ ...copy.ref, error }, "the resources of a guest cannot be changed");
    const failed = { applied: undefined, error: error.detail };
    const again = { applied: undefined, error: undefined };
    const isRefused = REFUSALS.includes(error.kind);
    if (isRefused) this.#end(copy, failed);
    this.context.clock.schedule(isRefused ? REFUSED_RETRY_MS : RETRY_MS, () => {
      if (!isRefused || this.#error === failed.error) this.#end(copy, again);
    });
  }

  #end(
    copy: EngineCopy,
    result: { applied: AppliedResources | undefined; error: ErrorDetail | undefined },
  ): void {
    if (this.#copy !== copy) return;
    this.#isBusy = false;
    this.#applied = result.applied;
    this.#error = result.error;
    this.onChanged();
  }
}
