/** I4: no agent goes back to an older leader, an older epoch of a guest, or an older intent. */
import { type Checker, Violation, type World } from "./checker.js";

export function fencing(world: World): Checker {
  const seen = new Map<string, number>();
  const check = (what: string, value: number): void => {
    const before = seen.get(what) ?? 0;
    if (value < before) throw new Violation("I4", `${what} went back from ${before} to ${value}`);
    seen.set(what, value);
  };
  return {
    onEvent: () => {
      for (const [nodeId, journal] of world.journals()) {
        check(`the leader epoch of ${nodeId}`, journal.leaderEpoch);
        for (const { assignment } of journal.entries.values()) {
          const { guestUid, epoch, intent } = assignment;
          check(`the epoch of ${guestUid} on ${nodeId}`, epoch);
          check(`the intent of ${guestUid} on ${nodeId}`, intent);
        }
      }
    },
  };
}
