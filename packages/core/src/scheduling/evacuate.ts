/**
 * How all guests of a node get away while they run: a sequence of moves, each of which has room
 * when those before it are done. Guests of other nodes are moved out of the way where that helps.
 *
 * V1 Each move is legal when all before it are done: the target has room beside what it still
 *    holds, keeps every hard rule, and its ports are free.
 * V2 If the search is not cut off, no sequence empties the node when this finds none, and none is
 *    shorter.
 * V3 Nobody moves more often than it may.
 *
 * First each guest goes where placement would put it, the largest first. When one does not fit, a
 * best-first search (A*) over the positions of all guests looks for a whole sequence: the cost is
 * the number of moves, the bound below it the number of guests still on the node.
 */
import { RESOURCE_KINDS } from "../domain/resources.js";
import type { PlacementRequest } from "./filters.js";
import { KINDS } from "./node-class.js";
import type { Placer } from "./placer.js";
import type { MovableGuest } from "./smallest-change.js";

export interface EvacuationMove {
  readonly guest: MovableGuest;
  readonly fromNodeId: string;
  readonly toNodeId: string;
}

export interface Evacuation {
  /** In the order in which they are to be made. */
  readonly moves: readonly EvacuationMove[];
  /** Those that find no way; empty when the node gets empty of all that can move. */
  readonly stuck: readonly MovableGuest[];
  /** The search ended before it had looked at everything. */
  readonly isCutOff: boolean;
}

export interface EvacuationOptions {
  readonly seed: number;
  /** Legal or not is asked so often at most; 0 = only the direct way. */
  readonly questionsMax: number;
  /** How often a guest may still move; absent = {@link MOVES_EACH_MAX}. */
  readonly movesLeft?: (guestUid: string) => number;
}

/** The search looks at no more nodes than these: those with most free memory. */
const NODES_MAX = 12;
const MEMORY = RESOURCE_KINDS.indexOf("memoryMib");

/** Room is sometimes made by going aside and back. */
export const MOVES_EACH_MAX = 2;

/** The table is as it was when it returns. */
export function evacuate(
  placer: Placer,
  nodeId: string,
  { guests, options }: { guests: readonly MovableGuest[]; options: EvacuationOptions },
): Evacuation {
  const world = new World(placer, options.seed);
  try {
    const direct = goDirectly(world, nodeId, guests);
    if (direct.stuck.length === 0 || options.questionsMax === 0) return direct;
    world.undo();
    return new Search(world, nodeId, { guests, options }).best(direct);
  } finally {
    world.undo();
  }
}

function goDirectly(world: World, nodeId: string, guests: readonly MovableGuest[]): Evacuation {
  const moves: EvacuationMove[] = [];
  const stuck: MovableGuest[] = [];
  const there = guests.filter(({ request }) => request.migratingFrom.nodeId === nodeId);
  for (const guest of there.sort(bySize)) {
    const toNodeId = world.choose(guest, nodeId);
    if (toNodeId === undefined) {
      stuck.push(guest);
      continue;
    }
    const move = { guest, fromNodeId: nodeId, toNodeId };
    world.make(move);
    moves.push(move);
  }
  return { moves, stuck, isCutOff: false };
}

function bySize({ request: left }: MovableGuest, { request: right }: MovableGuest): number {
  const difference = right.resources.memoryMib - left.resources.memoryMib;
  return difference || (left.guestUid < right.guestUid ? -1 : 1);
}

/** The placer's table, with moves made and taken back. */
class World {
  readonly #made: EvacuationMove[] = [];
  /** `node port` that guests hold which have moved there. */
  readonly #ports = new Set<string>();
  questions = 0;

  constructor(
    private readonly placer: Placer,
    private readonly seed: number,
  ) {}

  /** Those that take guests, the one with most free memory first. */
  get nodeIds(): readonly string[] {
    const { ids, isOpen, free } = this.placer.table;
    const memoryMib = (slot: number): number => free[slot * KINDS + MEMORY] as number;
    const slots = [...ids.keys()].filter((slot) => isOpen[slot] === 1);
    slots.sort((left, right) => memoryMib(right) - memoryMib(left) || left - right);
    return slots.map((slot) => ids[slot] as string);
  }

  choose(guest: MovableGuest, fromNodeId: string): string | undefined {
    const slot = this.#ask(guest.request, fromNodeId, "");
    const best = slot < 0 ? undefined : this.placer.table.ids[slot];
    if (best === undefined || this.#hasPorts(guest, best)) return best;
    const others = this.nodeIds.filter((each) => each !== fromNodeId);
    return others.find((toNodeId) => this.isLegal({ guest, fromNodeId, toNodeId }));
  }

  isLegal({ guest, fromNodeId, toNodeId }: EvacuationMove): boolean {
    return this.#hasPorts(guest, toNodeId) && this.#ask(guest.request, fromNodeId, toNodeId) >= 0;
  }

  make(move: EvacuationMove): void {
    this.#shift(move, move.fromNodeId, move.toNodeId);
    for (const port of move.guest.request.ports ?? []) this.#ports.add(`${move.toNodeId} ${port}`);
    this.#made.push(move);
  }

  undo(): void {
    for (const move of this.#made.splice(0).reverse()) {
      this.#shift(move, move.toNodeId, move.fromNodeId);
    }
    this.#ports.clear();
  }

  #ask(request: PlacementRequest, fromNodeId: string, toNodeId: string): number {
    this.questions += 1;
    const migratingFrom = request.migratingFrom && { ...request.migratingFrom, nodeId: fromNodeId };
    const asked = { ...request, migratingFrom, nodeId: toNodeId || request.nodeId };
    if (toNodeId !== "" && request.nodeId !== "" && request.nodeId !== toNodeId) return -1;
    return this.placer.choose(asked, { seed: this.seed, policy: request.policy ?? "spread" });
  }

  #hasPorts({ request: { ports = [] } }: MovableGuest, nodeId: string): boolean {
    return ports.every((port) => !this.#ports.has(`${nodeId} ${port}`));
  }

  #shift({ guest: { request } }: EvacuationMove, from: string, to: string): void {
    const { table, members } = this.placer;
    table.release(from, request.resources);
    table.allocate(to, request.resources);
    members.remove(from, request);
    members.add(to, request);
  }
}

interface State {
  /** Node of each guest, by index. */
  readonly positions: readonly string[];
  readonly moves: readonly EvacuationMove[];
  /** Guests still on the node. */
  readonly left: number;
}

class Search {
  readonly #guests: readonly MovableGuest[];
  readonly #nodeIds: readonly string[];
  /** Some nodes are not looked at. */
  readonly #isPartial: boolean;
  readonly #options: EvacuationOptions;
  /** By moves made and guests left together; of these, those with fewer left first. */
  readonly #open: State[][] = [];
  readonly #seen = new Set<string>();

  constructor(
    private readonly world: World,
    private readonly nodeId: string,
    { guests, options }: { guests: readonly MovableGuest[]; options: EvacuationOptions },
  ) {
    const all = world.nodeIds.filter((each) => each !== nodeId);
    this.#nodeIds = all.slice(0, NODES_MAX);
    const near = new Set([nodeId, ...this.#nodeIds]);
    this.#guests = guests.filter(({ request }) => near.has(request.migratingFrom.nodeId));
    this.#isPartial = all.length > NODES_MAX;
    this.#options = options;
  }

  /** @param otherwise what is known already */
  best(otherwise: Evacuation): Evacuation {
    const positions = this.#guests.map(({ request }) => request.migratingFrom.nodeId);
    let best: State = { positions, moves: [], left: this.#leftIn(positions) };
    this.#push(best);
    this.world.questions = 0;
    while (this.world.questions < this.#options.questionsMax) {
      const state = this.#pop();
      if (state === undefined) return this.#result(best, otherwise, this.#isPartial);
      if (state.left < best.left) best = state;
      if (state.left === 0) return this.#result(state, otherwise, false);
      this.#expand(state);
    }
    return this.#result(best, otherwise, true);
  }

  #result(best: State, otherwise: Evacuation, isCutOff: boolean): Evacuation {
    if (best.left >= otherwise.stuck.length) return { ...otherwise, isCutOff };
    const stuck = this.#guests.filter((_, index) => best.positions[index] === this.nodeId);
    return { moves: best.moves, stuck, isCutOff };
  }

  #leftIn(positions: readonly string[]): number {
    return positions.filter((each) => each === this.nodeId).length;
  }

  #expand(state: State): void {
    this.world.undo();
    for (const move of state.moves) this.world.make(move);
    this.#guests.forEach((guest, index) => {
      if (!this.#mayMove(guest, state)) return;
      for (const toNodeId of this.#nodeIds) this.#try(state, index, toNodeId);
    });
  }

  #try(state: State, index: number, toNodeId: string): void {
    const guest = this.#guests[index] as MovableGuest;
    const fromNodeId = state.positions[index] as string;
    if (toNodeId === fromNodeId) return;
    const positions = state.positions.with(index, toNodeId);
    const moves = [...state.moves, { guest, fromNodeId, toNodeId }];
    if (this.#seen.has(keyOf(positions, moves))) return;
    if (!this.world.isLegal({ guest, fromNodeId, toNodeId })) return;
    this.#push({ positions, moves, left: this.#leftIn(positions) });
  }

  #mayMove({ request: { guestUid } }: MovableGuest, { moves }: State): boolean {
    const made = moves.filter(({ guest }) => guest.request.guestUid === guestUid).length;
    const most = this.#options.movesLeft?.(guestUid) ?? MOVES_EACH_MAX;
    return made < most;
  }

  #push(state: State): void {
    this.#seen.add(keyOf(state.positions, state.moves));
    const bound = state.moves.length + state.left;
    const level = this.#open[bound] ?? [];
    this.#open[bound] = level;
    level.push(state);
  }

  #pop(): State | undefined {
    const level = this.#open.find((each) => each !== undefined && each.length > 0);
    if (level === undefined) return undefined;
    let first = level.length - 1;
    for (let index = first - 1; index >= 0; index -= 1) {
      if ((level[index] as State).left < (level[first] as State).left) first = index;
    }
    return level.splice(first, 1)[0];
  }
}

/** Who stands where, and who has moved how often: that decides what may follow. */
function keyOf(positions: readonly string[], moves: readonly EvacuationMove[]): string {
  const movers = moves.map(({ guest }) => guest.request.guestUid).sort();
  return `${positions.join()} ${movers.join()}`;
}
