/** I1: at most one copy of a guest runs at any time, over all nodes, whatever anybody believes. */
import { type Checker, Violation, type World } from "./checker.js";

export function oneRunningCopy(world: World): Checker {
  return {
    onEvent: () => {
      const runs = new Map<string, string>();
      for (const { guestUid, epoch, nodeId, run } of world.copies()) {
        if (run !== "running") continue;
        const here = `epoch ${epoch} on ${nodeId}`;
        const other = runs.get(guestUid);
        if (other) throw new Violation("I1", `guest ${guestUid} runs as ${other} and as ${here}`);
        runs.set(guestUid, here);
      }
    },
  };
}
