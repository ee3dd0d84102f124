/**
 * I7, the half that always holds: no guest is forgotten. No agent is told to remove the very copy
 * that the records want on its node, be it by a leader that is behind, deposed, or mistaken.
 */
import type { Guest } from "@innkeeper/core";
import { type Checker, Violation, type World } from "./checker.js";

export function ownedCopies(world: World): Checker {
  return {
    onEvent: () => {
      for (const guest of world.records.guests()) checkGuest(world, guest);
    },
  };
}

function checkGuest(world: World, { uid, id, isDeleting, status }: Guest): void {
  const { placement, migration, eviction } = status;
  if (placement === undefined || isDeleting || migration !== undefined) return;
  if (eviction?.step === "removing") return;
  const told = world.journals().get(placement.nodeId)?.entries.get(uid)?.assignment;
  if (told?.desired !== "absent" || told.epoch !== placement.epoch) return;
  const where = `${placement.nodeId} (epoch ${placement.epoch})`;
  throw new Violation("I7", `guest ${id} belongs on ${where}, which was told to remove it`);
}
