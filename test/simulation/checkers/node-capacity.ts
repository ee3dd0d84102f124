/**
 * I2: what is allocated on a node never exceeds what it can give, the counters say what is
 * allocated, and no guest that runs has more memory than is allocated for it.
 */
import {
  allocatable,
  type NodeRecord,
  nodeCounter,
  placementsOf,
  RESOURCE_KINDS,
  sumResources,
  takenBy,
} from "@innkeeper/core";
import { type Checker, Violation, type World } from "./checker.js";

export function nodeCapacity(world: World): Checker {
  const { records } = world;
  let seenRevision = 0;
  return {
    onCommit: ({ revision }) => {
      seenRevision = revision;
      for (const node of records.nodes()) checkLimit(records, node);
    },
    onEvent: () => {
      checkCopies(world);
      if (seenRevision === 0) return;
      seenRevision = 0;
      for (const node of records.nodes()) checkCounters(records, node.id);
    },
  };
}

function checkCopies(world: World): void {
  const { records } = world;
  for (const copy of world.copies()) {
    const guest = records.guestByUid(copy.guestUid);
    const placement = guest?.status.placement;
    if (guest === undefined || placement?.nodeId !== copy.nodeId) continue;
    const { memoryMib } = takenBy(guest);
    const isIts = placement.epoch === copy.epoch && copy.run === "running";
    if (!isIts || copy.memoryMib <= memoryMib) continue;
    const numbers = `${copy.memoryMib} MiB, ${memoryMib} MiB are allocated`;
    throw new Violation("I2", `${guest.id} on ${copy.nodeId} has ${numbers}`);
  }
}

function checkLimit(records: World["records"], node: NodeRecord): void {
  const here = records
    .guests()
    .flatMap(placementsOf)
    .filter((each) => each.nodeId === node.id);
  const sum = sumResources(here.map(({ resources }) => resources));
  const limit = allocatable(node);
  for (const kind of RESOURCE_KINDS) {
    if (sum[kind] <= limit[kind]) continue;
    const numbers = `${sum[kind]} of ${limit[kind]} ${kind}`;
    throw new Violation("I2", `${numbers} are allocated on ${node.id}`);
  }
}

function checkCounters(records: World["records"], nodeId: string): void {
  const places = records.guests().flatMap(placementsOf);
  for (const kind of RESOURCE_KINDS) {
    const here = places.filter((each) => each.nodeId === nodeId);
    const sum = here.reduce((total, { resources }) => total + resources[kind], 0);
    const counted = records.counter(nodeCounter(nodeId, kind));
    if (counted === sum) continue;
    throw new Violation(
      "I2",
      `${counted} ${kind} are counted on ${nodeId}, its guests take ${sum}`,
    );
  }
}
