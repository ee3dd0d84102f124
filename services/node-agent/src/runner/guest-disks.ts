/**
 * What is on this host of one guest's disks and snapshots while no copy runs. Until it was looked,
 * anything may be: an earlier process may have made some, and an assignment that it took may have
 * taken some from the guest.
 */
import {
  type CopyView,
  type ErrorDetail,
  type GuestAssignment,
  isSameDisks,
  isSameSnapshots,
  type Restore,
  toDomainError,
} from "@innkeeper/core";
import type { RunnerContext } from "./runner-context.js";
import { settleSnapshots } from "./settle-snapshots.js";
import { dataDiskNames } from "./wanted-disks.js";

/** Kinds of errors that may pass by themselves. */
const MAY_PASS: readonly ErrorDetail["kind"][] = ["unavailable", "timeout", "internal"];

export class GuestDisks {
  #mayBe = true;
  #mayBeOld = true;
  #error: ErrorDetail | undefined;
  #clonedPercent: number | undefined;

  constructor(
    private readonly context: Pick<RunnerContext, "disks" | "log" | "onChanged">,
    /** The epoch whose copy has begun, or may have begun, as a snapshot. */
    public restoredEpoch: number | undefined,
  ) {}

  get view(): Pick<CopyView, "mayHaveDisks" | "mayHaveOldDisks" | "diskError"> {
    return {
      mayHaveDisks: this.#mayBe,
      mayHaveOldDisks: this.#mayBeOld,
      diskError: this.#error,
    };
  }

  get error(): ErrorDetail | undefined {
    return this.#error;
  }

  /** There is a newer assignment. */
  follow(before: GuestAssignment, after: GuestAssignment): void {
    const isSame =
      isSameDisks(before.dataDisks, after.dataDisks) &&
      isSameSnapshots(before.snapshots, after.snapshots);
    this.#mayBeOld ||= !isSame;
    this.#error = undefined;
  }

  /** Whole per cent of its disks that have been copied from another guest's, while they are. */
  get clonedPercent(): number | undefined {
    return this.#clonedPercent;
  }

  /** Tells how far they are while `act` makes them, if any are copied. */
  async tellCloned<T>(
    { guestUid }: GuestAssignment,
    act: (onProgress: (percent: number) => void) => Promise<T>,
  ): Promise<T> {
    try {
      return await act((percent) => this.#setCloned(guestUid, Math.floor(percent)));
    } finally {
      this.#setCloned(guestUid, undefined);
    }
  }

  #setCloned(guestUid: string, percent: number | undefined): void {
    if (percent === this.#clonedPercent) return;
    this.#clonedPercent = percent;
    this.context.onChanged(guestUid);
  }

  /** Some are about to be made. */
  expect(): void {
    this.#mayBe = true;
  }

  /** What the next launch has to begin as; undefined = as the disks are. */
  restoreDue({ epoch, restore }: GuestAssignment): Restore | undefined {
    return restore?.epoch === epoch && this.restoredEpoch !== epoch ? restore : undefined;
  }

  /** No copy runs. `isNewest` = no newer assignment came meanwhile. */
  async settle(assignment: GuestAssignment, isNewest: () => boolean): Promise<void> {
    const { disks, log } = this.context;
    const { guestUid } = assignment;
    try {
      await settleSnapshots(disks, assignment, {
        take: ({ uid }) => disks.takeSnapshot(guestUid, uid),
        remove: (uid) => disks.removeSnapshot(guestUid, uid),
      });
      await disks.keepOnly(guestUid, dataDiskNames(assignment));
      if (isNewest()) this.#mayBeOld = false;
    } catch (thrown) {
      const error = toDomainError(thrown);
      if (MAY_PASS.includes(error.kind)) throw error;
      log.warn({ guestUid, error }, "the disks of a guest cannot be changed");
      if (isNewest()) this.#error = error.detail;
    }
  }

  async removeAll(guestUid: string): Promise<void> {
    await this.context.disks.remove(guestUid);
    this.#mayBe = false;
  }
}
