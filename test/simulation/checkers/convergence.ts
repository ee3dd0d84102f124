/** I7: once faults have stopped, what is wanted is what is, everywhere, within a stated time. */
import type { Guest, Operation } from "@innkeeper/core";
import type { CopyOnNode, World } from "./checker.js";

/**
 * The stated time: a node's lease, the longest back-off and stop time-out of the workload, and a
 * resync.
 */
export const CONVERGES_WITHIN_MS = 60_000;

/** What is not as wanted now, one sentence each. */
export function whatDiffers(world: World): readonly string[] {
  const guests = world.records.guests();
  const copies = world.copies();
  const running = world.records.operations().filter((each) => mustHaveEnded(each, guests));
  const notReady = world.records.nodes().filter((node) => node.state !== "ready");
  return [
    ...running.map((each) => `operation ${each.kind} of ${each.guestId} has not ended`),
    ...notReady.map((node) => `node ${node.id} is ${node.state}`),
    ...guests.flatMap((guest) => differencesOf(guest, copies)),
    ...copies.filter((copy) => !belongs(copy, guests)).map((copy) => `${shown(copy)} is an orphan`),
  ];
}

/** A guest that fits nowhere waits for room, and so does the operation that wants it to run. */
function mustHaveEnded({ id, state }: Operation, guests: readonly Guest[]): boolean {
  const guest = guests.find((each) => each.operationId === id);
  return state === "running" && guest?.status.reason !== "NOTHING_FITS";
}

function differencesOf(guest: Guest, copies: readonly CopyOnNode[]): string[] {
  const { phase, placement, migration } = guest.status;
  const mine = copies.filter((copy) => copy.guestUid === guest.uid);
  const what = `guest ${guest.id} (wanted ${guest.spec.desired}) is ${phase}`;
  if (guest.isDeleting) return [`${what} and not deleted`];
  if (migration !== undefined) return [`${what} and migrating: ${migration.step}`];
  const wantedRun = WANTED_RUN[phase];
  if (wantedRun === undefined || !isAcceptable(guest)) return [what];
  if (wantedRun === "none")
    return mine.length === 0 ? [] : [`${what}, but ${mine.map(shown).join(", ")}`];
  const isThere = mine.some(
    (copy) =>
      copy.nodeId === placement?.nodeId && copy.epoch === placement.epoch && copy.run === wantedRun,
  );
  return isThere ? [] : [`${what}, but ${mine.map(shown).join() || "there is no copy"}`];
}

/** Phases that may last, and what the nodes then hold. */
const WANTED_RUN: Readonly<Partial<Record<Guest["status"]["phase"], CopyOnNode["run"] | "none">>> =
  { RUNNING: "running", PAUSED: "paused", STOPPED: "none", FAILED: "none", PENDING: "none" };

function isAcceptable({ spec, status }: Guest): boolean {
  if (status.phase === "FAILED") return status.reason !== "";
  if (status.phase === "PENDING") return status.reason === "NOTHING_FITS";
  if (status.phase === "STOPPED") return spec.desired === "stopped" || status.reason !== "";
  return spec.desired === status.phase.toLowerCase();
}

function belongs(copy: CopyOnNode, guests: readonly Guest[]): boolean {
  const placement = guests.find((guest) => guest.uid === copy.guestUid)?.status.placement;
  return placement?.nodeId === copy.nodeId && placement.epoch === copy.epoch;
}

function shown({ guestUid, epoch, nodeId, run }: CopyOnNode): string {
  return `copy ${guestUid.slice(0, 8)}.${epoch} on ${nodeId} is ${run}`;
}
