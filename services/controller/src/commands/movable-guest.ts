/** Guests as a migration would move them. */
import type { Guest, MovableGuest } from "@innkeeper/core";
import { placementRequest } from "../loops/placement-request.js";
import type { CommandContext } from "./command-context.js";
import { abilityToMove, whyNotMovable } from "./migrate-guest.js";

/** As `migrateGuest` would move it; undefined when it cannot. */
export function movableOf(
  mirror: CommandContext["mirror"],
  guest: Guest,
): MovableGuest | undefined {
  const { placement, phase } = guest.status;
  const isBusy = guest.operationId !== "" || guest.isDeleting || phase !== "RUNNING";
  const ability = abilityToMove({ mirror }, guest);
  if (isBusy || whyNotMovable({ mirror }, guest) || !placement || !ability) return undefined;
  const migratingFrom = { nodeId: placement.nodeId, ability };
  const request = { ...placementRequest(guest, mirror), migratingFrom };
  return { guestId: guest.id, request };
}
