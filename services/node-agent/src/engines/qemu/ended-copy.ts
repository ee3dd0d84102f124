/** A copy whose process ended while no agent was watching, but left word why. */
import {
  type CopyExit,
  type CopyRef,
  type CopyRunState,
  type DomainError,
  type EngineCopy,
  precondition,
} from "@innkeeper/core";

export class EndedCopy implements EngineCopy {
  readonly pid = undefined;
  readonly ended: Promise<CopyExit>;

  constructor(
    readonly ref: CopyRef,
    exit: CopyExit,
  ) {
    this.ended = Promise.resolve(exit);
  }

  runState(): Promise<CopyRunState> {
    return Promise.resolve("ended");
  }

  onChange(): void {
    // Nothing changes any more.
  }

  destroy(): Promise<void> {
    return Promise.resolve();
  }

  pause(): Promise<never> {
    return this.#refuse();
  }

  resume(): Promise<never> {
    return this.#refuse();
  }

  setResources(): Promise<never> {
    return this.#refuse();
  }

  setDisks(): Promise<never> {
    return this.#refuse();
  }

  takeSnapshot(): Promise<never> {
    return this.#refuse();
  }

  removeSnapshot(): Promise<never> {
    return this.#refuse();
  }

  usage(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  requestShutdown(): Promise<never> {
    return this.#refuse();
  }

  listen(): Promise<never> {
    return this.#refuse();
  }

  migrate(): Promise<never> {
    return this.#refuse();
  }

  cancelMigration(): Promise<never> {
    return this.#refuse();
  }

  readConsole(): Promise<never> {
    return this.#refuse();
  }

  openConsole(): Promise<never> {
    return this.#refuse();
  }

  exec(): never {
    throw copyEnded(this.ref);
  }

  #refuse(): Promise<never> {
    return Promise.reject(copyEnded(this.ref));
  }
}

function copyEnded({ guestUid, epoch }: CopyRef): DomainError {
  const metadata = { guestUid, epoch: String(epoch) };
  return precondition("COPY_ENDED", "the copy has ended", metadata);
}
