/** I7: once faults have stopped, what is wanted is what is, everywhere, within a stated time. */
import type { Guest, Operation } from "@innkeeper/core";
import type { CopyOnNode, DisksOnNode, World } from "./checker.js";

/**
 * The stated time: a node's lease, the longest back-off and stop time-out of the workload, and a
 * resync.
 */
export const CONVERGES_WITHIN_MS = 60_000;

/** What is not as wanted now, one sentence each. */
export function whatDiffers(world: World): readonly string[] {
  const guests = world.records.guests();
  const copies = world.copies();
  const disks = world.disks();
  const running = world.records.operations().filter((each) => mustHaveEnded(each, guests));
  const notReady = world.records.nodes().filter((node) => node.state !== "ready");
  return [
    ...running.map((each) => `operation ${each.kind} of ${each.guestId} has not ended`),
    ...notReady.map((node) => `node ${node.id} is ${node.state}`),
    ...guests.flatMap((guest) => differencesOf(guest, copies)),
    ...copies.filter((copy) => !belongs(copy, guests)).map((copy) => `${shown(copy)} is an orphan`),
    ...guests.filter((guest) => lacksDisk(guest, disks)).map(({ id }) => `${id} has no disk`),
    ...disks.filter((each) => !isPlaced(each, guests)).map((each) => `${onNode(each)} are left`),
  ];
}

/**
 * A guest that fits nowhere waits for room, and so does the operation that wants it to run; a drain
 * waits for room elsewhere, and says so.
 */
function mustHaveEnded(
  { id, guestUid, state, drain }: Operation,
  guests: readonly Guest[],
): boolean {
  const open = drain?.entries.filter((entry) => ["waiting", "moving"].includes(entry.state)) ?? [];
  if (open.length > 0 && open.every(({ message }) => message !== "")) return false;
  const guest = guests.find((each) => each.operationId === id && each.uid === guestUid);
  return state === "running" && guest?.status.reason !== "NOTHING_FITS";
}

function differencesOf(guest: Guest, copies: readonly CopyOnNode[]): string[] {
  const { phase, placement, migration } = guest.status;
  const mine = copies.filter((copy) => copy.guestUid === guest.uid);
  const what = `guest ${guest.id} (wanted ${guest.spec.desired}) is ${phase}`;
  if (guest.isDeleting) return [`${what} and not deleted`];
  if (migration !== undefined) return [`${what} and migrating: ${migration.step}`];
  const wantedRuns = WANTED_RUNS[phase];
  if (wantedRuns === undefined || !isAcceptable(guest)) return [what];
  if (wantedRuns.length === 0)
    return mine.length === 0 ? [] : [`${what}, but ${mine.map(shown).join(", ")}`];
  const isThere = mine.some(
    ({ nodeId, epoch, run }) =>
      nodeId === placement?.nodeId && epoch === placement.epoch && wantedRuns.includes(run),
  );
  if (!isThere) return [`${what}, but ${mine.map(shown).join() || "there is no copy"}`];
  return oddSizes(guest, mine).map((odd) => `${what}, but ${odd}`);
}

function oddSizes(guest: Guest, copies: readonly CopyOnNode[]): string[] {
  if (guest.status.resize !== undefined) return ["it is being resized"];
  const odd = copies.filter((copy) => copy.run === "running" && !hasItsSize(copy, guest));
  return odd.map((copy) => `${shown(copy)} with ${copy.cpuMillis}m and ${copy.memoryMib} MiB`);
}

function hasItsSize({ cpuMillis, memoryMib }: CopyOnNode, { spec }: Guest): boolean {
  return cpuMillis === spec.resources.cpuMillis && memoryMib === spec.resources.memoryMib;
}

/** A guest that was moved, or taken back, and is to stand still, is left as it is. */
const STANDING = ["paused", "received", "sent"] as const;

/** Phases that may last, and how the copy then is. */
const WANTED_RUNS: Readonly<
  Partial<Record<Guest["status"]["phase"], readonly CopyOnNode["run"][]>>
> = { RUNNING: ["running"], PAUSED: STANDING, STOPPED: [], FAILED: [], PENDING: [] };

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

/** A guest that runs has its disk where it is. */
function lacksDisk({ uid, spec, status }: Guest, disks: readonly DisksOnNode[]): boolean {
  if (spec.resources.diskMib === 0 || status.phase !== "RUNNING") return false;
  const nodeId = status.placement?.nodeId;
  return !disks.some((each) => each.guestUid === uid && each.nodeId === nodeId);
}

function isPlaced({ guestUid, nodeId }: DisksOnNode, guests: readonly Guest[]): boolean {
  return guests.some(
    (guest) => guest.uid === guestUid && guest.status.placement?.nodeId === nodeId,
  );
}

function onNode({ guestUid, nodeId }: DisksOnNode): string {
  return `disks of ${guestUid.slice(0, 8)} on ${nodeId}`;
}

function shown({ guestUid, epoch, nodeId, run }: CopyOnNode): string {
  return `copy ${guestUid.slice(0, 8)}.${epoch} on ${nodeId} is ${run}`;
}
