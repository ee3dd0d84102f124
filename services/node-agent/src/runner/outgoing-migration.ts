/** The sending of one guest's copy to another node, and what came of it. */
import {
  type AssignedState,
  type EngineCopy,
  type ErrorDetail,
  MIGRATION_POLICY_DEFAULTS,
  type MigrateTo,
  type MigrationProgress,
  toDomainError,
} from "@innkeeper/core";

export interface OutgoingMigrationHooks {
  onProgress(): void;
  onEnded(): void;
}

export class OutgoingMigration {
  #sending: Promise<void> | undefined;
  #error: ErrorDetail | undefined;
  #progress: MigrationProgress | undefined;
  /** Grows with each assignment: an attempt that was asked for earlier has nothing more to say. */
  #attempt = 0;

  constructor(private readonly hooks: OutgoingMigrationHooks) {}

  get isUnderWay(): boolean {
    return this.#sending !== undefined;
  }

  get error(): ErrorDetail | undefined {
    return this.#error;
  }

  get progress(): MigrationProgress | undefined {
    return this.#progress;
  }

  /**
   * A newer assignment: what failed under an older one is forgotten. What was sent is told as long
   * as there is anything of the copy.
   */
  renew(desired: AssignedState): void {
    this.#attempt += 1;
    this.#error = undefined;
    if (desired !== "sending" && desired !== "absent") this.#progress = undefined;
  }

  begin(copy: EngineCopy, target: MigrateTo): void {
    const { slowdownPercentMax } = MIGRATION_POLICY_DEFAULTS;
    const attempt = this.#attempt;
    const onProgress = (progress: MigrationProgress): void => {
      this.#progress = progress;
      this.hooks.onProgress();
    };
    this.#sending = copy
      .migrate({ slowdownPercentMax, ...target, onProgress })
      .then((progress) => {
        this.#progress = progress;
      })
      .catch((error: unknown) => {
        if (this.#attempt === attempt) this.#error = toDomainError(error).detail;
      })
      .finally(() => {
        this.#sending = undefined;
        this.hooks.onEnded();
      });
  }

  /** Resolves when nothing is being sent any more. */
  async cancel(copy: EngineCopy | undefined): Promise<void> {
    await copy?.cancelMigration();
    await this.#sending;
  }
}
