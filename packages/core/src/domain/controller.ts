/** A controller as the others know it: where to reach it, and whether it leads. */

export interface ControllerRecord {
  /** Configured, unique among controllers (RFC 1123 label). */
  readonly id: string;
  /** host:port where other controllers reach it. */
  readonly address: string;
  /** Of its newest term; 0 = it never led. */
  readonly leaderEpoch: number;
  readonly updatedAtMs: number;
}

/** The one with the highest epoch; it may have died since. */
export function leaderOf(controllers: readonly ControllerRecord[]): ControllerRecord | undefined {
  const led = controllers.filter(({ leaderEpoch }) => leaderEpoch > 0);
  return led.sort((left, right) => right.leaderEpoch - left.leaderEpoch)[0];
}
