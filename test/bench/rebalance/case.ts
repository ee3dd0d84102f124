/** Clusters out of balance: which guest is where. */
import { type MovableGuest, NO_NEEDS, NO_RULES, Placer, type Resources } from "@innkeeper/core";
import { aNode, Prng } from "@innkeeper/core/testing";

export const NODE = { cpuMillis: 64_000, memoryMib: 65_536, diskMib: 0 };

export interface Case {
  readonly placer: Placer;
  readonly guests: readonly MovableGuest[];
}

export function caseOf(
  nodes: number,
  guests: readonly { at: number; resources: Resources }[],
): Case {
  const placer = new Placer();
  for (let index = 0; index < nodes; index += 1) {
    placer.table.setNode(aNode({ id: `n${index}`, capacity: NODE }));
  }
  const movable = guests.map(({ at, resources }, index) =>
    movableOf(`g${index}`, `n${at}`, resources),
  );
  for (const { request } of movable) {
    const { nodeId } = request.migratingFrom;
    placer.table.allocate(nodeId, request.resources);
    placer.members.add(nodeId, request);
  }
  return { placer, guests: movable };
}

function movableOf(guestUid: string, nodeId: string, resources: Resources): MovableGuest {
  const ability = aNode().abilities[0];
  if (ability === undefined) throw new Error("the node of tests can run something");
  const request = {
    guestUid,
    projectId: "p",
    labels: {},
    rules: NO_RULES,
    resources,
    mode: "auto" as const,
    imageKind: "linux" as const,
    needs: NO_NEEDS,
    nodeId: "",
    migratingFrom: { nodeId, ability },
  };
  return { guestId: guestUid, request };
}

/** 212 equal guests on 20 equal nodes, most of them on a few. */
export const COUNTS = [31, 27, 24, 22, 20, 18, 16, 14, 11, 11, 8, 5, 3, 1, 1, 0, 0, 0, 0, 0];
export const EQUAL = { cpuMillis: 1000, memoryMib: 1024, diskMib: 0 };

export function equalGuests(): { at: number; resources: Resources }[] {
  return COUNTS.flatMap((count, at) =>
    Array.from({ length: count }, () => ({ at, resources: EQUAL })),
  );
}

/** Of many sizes, each node filled to a level of its own. */
export function unequalGuests(
  nodes: number,
  count: number,
): { at: number; resources: Resources }[] {
  const prng = new Prng(11);
  const left = Array.from({ length: nodes }, () => ({ ...NODE }));
  const guests: { at: number; resources: Resources }[] = [];
  while (guests.length < count) {
    // The lesser of two draws more to the first nodes.
    const at = Math.min(prng.integer(0, nodes - 1), prng.integer(0, nodes - 1));
    const resources = {
      cpuMillis: 500 * prng.integer(1, 8),
      memoryMib: 512 * prng.integer(1, 12),
      diskMib: 0,
    };
    const room = left[at];
    if (!room || room.cpuMillis < resources.cpuMillis || room.memoryMib < resources.memoryMib)
      continue;
    room.cpuMillis -= resources.cpuMillis;
    room.memoryMib -= resources.memoryMib;
    guests.push({ at, resources });
  }
  return guests;
}
