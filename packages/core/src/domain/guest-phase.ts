/** The phases of a guest's life; `guest-lifecycle.ts` says which may follow which. */
export const GUEST_PHASES = [
  "PENDING",
  "PLACED",
  "STARTING",
  "RUNNING",
  "PAUSED",
  "MIGRATING",
  "STOPPING",
  "STOPPED",
  "FAILED",
  "LOST",
  "DELETING",
] as const;
export type GuestPhase = (typeof GUEST_PHASES)[number];
