/**
 * Which guests to move so that nodes are loaded alike: few moves, each of which makes the cluster
 * better than it was before it.
 *
 * The load of a node is what `spread` placement looks at: how much of its scarcest resource is
 * taken. The imbalance is the standard deviation of the loads over the nodes that take guests. From
 * the most loaded node goes the guest whose move lowers it most, to the node that placement would
 * choose; again, until no move is worth it.
 *
 * R1 Each move is legal when all before it are done: the target keeps every rule and has room, and
 *    no soft rule is broken that was kept.
 * R2 No move makes the imbalance greater, or lowers it by less than the least gain.
 * R3 No guest moves twice.
 */
import type { PlacementRequest } from "./filters.js";
import { KINDS, writeAmounts } from "./node-class.js";
import type { Placer } from "./placer.js";
import type { MovableGuest } from "./smallest-change.js";

export interface RebalanceOptions {
  readonly movesMax: number;
  /**
   * Each move must lower the imbalance by this, summed over the nodes: 0.01 = as much as a
   * hundredth of one node's load.
   */
  readonly gainMin: number;
  readonly seed: number;
}

export interface RebalanceMove {
  readonly guestUid: string;
  readonly fromNodeId: string;
  readonly toNodeId: string;
  /** The imbalance after it. */
  readonly imbalance: number;
}

export interface RebalancePlan {
  /** Standard deviation of the nodes' loads, 0 to 1. */
  readonly imbalance: number;
  readonly moves: readonly RebalanceMove[];
}

const NO_MOVE = -1;

/**
 * The table is as it was when it returns. Time grows with moves times (nodes + guests of a node).
 */
export function planRebalance(
  placer: Placer,
  guests: readonly MovableGuest[],
  options: RebalanceOptions,
): RebalancePlan {
  const planning = new Planning(placer, guests, options);
  try {
    return { imbalance: planning.imbalance, moves: planning.run() };
  } finally {
    planning.undo();
  }
}

/** One guest of each shape on a node stands for all: they go equally well. */
interface Shape {
  readonly guests: MovableGuest[];
}

class Planning {
  readonly #loads: Float64Array;
  readonly #shapes = new Map<number, Map<string, Shape>>();
  readonly #moves: RebalanceMove[] = [];
  readonly #undo: (() => void)[] = [];
  readonly #amounts = new Float64Array(KINDS);
  readonly #count: number;
  #sum = 0;
  #sumOfSquares = 0;

  constructor(
    private readonly placer: Placer,
    guests: readonly MovableGuest[],
    private readonly options: RebalanceOptions,
  ) {
    const { table } = placer;
    this.#loads = new Float64Array(table.length).fill(Number.NEGATIVE_INFINITY);
    let count = 0;
    for (let slot = 0; slot < table.length; slot += 1) {
      if (table.isOpen[slot] === 0) continue;
      count += 1;
      this.#setLoad(slot, 0, this.#loadOf(slot));
    }
    this.#count = Math.max(1, count);
    for (const guest of guests) this.#addGuest(guest);
  }

  get imbalance(): number {
    return this.#imbalanceOf(this.#sum, this.#sumOfSquares);
  }

  run(): readonly RebalanceMove[] {
    let stuck = new Set<number>();
    let movesBefore = -1;
    while (this.#moves.length < this.options.movesMax) {
      const from = this.#mostLoaded(stuck);
      if (from !== NO_MOVE) {
        if (!this.#moveFrom(from)) stuck.add(from);
      } else {
        // What was stuck may go where others have left.
        if (this.#moves.length === movesBefore) break;
        movesBefore = this.#moves.length;
        stuck = new Set();
      }
    }
    return this.#moves;
  }

  undo(): void {
    for (const undo of this.#undo.reverse()) undo();
  }

  #addGuest(guest: MovableGuest): void {
    const { request } = guest;
    const slot = this.placer.table.slotOf(request.migratingFrom.nodeId);
    if (slot === undefined) return;
    const shapes = this.#shapes.get(slot) ?? new Map<string, Shape>();
    this.#shapes.set(slot, shapes);
    const { guestUid: _, ...rest } = request;
    const key = JSON.stringify(rest);
    const shape = shapes.get(key);
    if (shape === undefined) shapes.set(key, { guests: [guest] });
    else shape.guests.push(guest);
  }

  #mostLoaded(stuck: ReadonlySet<number>): number {
    let found = NO_MOVE;
    let most = this.#sum / this.#count;
    for (let slot = 0; slot < this.#loads.length; slot += 1) {
      const load = this.#loads[slot] as number;
      if (load <= most || stuck.has(slot)) continue;
      most = load;
      found = slot;
    }
    return found;
  }

  /** Moves the guest that is best moved. False when none is worth it. */
  #moveFrom(from: number): boolean {
    const now = this.imbalance;
    let best: { shape: Shape; to: number; imbalance: number } | undefined;
    for (const shape of this.#shapes.get(from)?.values() ?? []) {
      const found = this.#tryMove(from, shape);
      if (found !== undefined && found.imbalance < (best?.imbalance ?? now)) {
        best = { shape, ...found };
      }
    }
    if (best === undefined || (now - best.imbalance) * this.#count < this.options.gainMin)
      return false;
    this.#move(from, best.shape, best);
    return true;
  }

  #tryMove(from: number, { guests }: Shape): { to: number; imbalance: number } | undefined {
    const request = guests.at(-1)?.request;
    if (request === undefined) return undefined;
    const { placer, options } = this;
    const to = placer.choose(request, { seed: options.seed, policy: "spread" });
    if (to < 0 || placer.brokenAt(request, to) > placer.brokenAt(request, from)) return undefined;
    return { to, imbalance: this.#imbalanceAfter(request, from, to) };
  }

  #imbalanceAfter({ resources }: PlacementRequest, from: number, to: number): number {
    const [oldFrom, oldTo] = [this.#loads[from] as number, this.#loads[to] as number];
    writeAmounts(this.#amounts, resources);
    const newFrom = this.#loadOf(from, 1);
    const newTo = this.#loadOf(to, -1);
    const sum = this.#sum - oldFrom - oldTo + newFrom + newTo;
    const squares = newFrom ** 2 + newTo ** 2 - oldFrom ** 2 - oldTo ** 2;
    return this.#imbalanceOf(sum, this.#sumOfSquares + squares);
  }

  #move(from: number, shape: Shape, { to, imbalance }: { to: number; imbalance: number }): void {
    const guest = shape.guests.pop();
    if (guest === undefined) return;
    const { table, members } = this.placer;
    const { request } = guest;
    const toNodeId = table.ids[to] as string;
    const fromNodeId = request.migratingFrom.nodeId;
    const shift = (away: number, there: number): void => {
      table.changeAt(away, request.resources, -1);
      table.changeAt(there, request.resources, 1);
      members.remove(table.ids[away] as string, request);
      members.add(table.ids[there] as string, request);
    };
    shift(from, to);
    this.#undo.push(() => shift(to, from));
    for (const slot of [from, to]) {
      this.#setLoad(slot, this.#loads[slot] as number, this.#loadOf(slot));
    }
    this.#moves.push({ guestUid: request.guestUid, fromNodeId, toNodeId, imbalance });
  }

  #setLoad(slot: number, before: number, after: number): void {
    this.#loads[slot] = after;
    this.#sum += after - before;
    this.#sumOfSquares += after ** 2 - before ** 2;
  }

  /** Taken share of the scarcest resource; 1: as if `#amounts` were free too, -1: were taken. */
  #loadOf(slot: number, sign: 0 | 1 | -1 = 0): number {
    const { free, classes, classOf } = this.placer.table;
    const { kinds, totals } = classes[classOf[slot] as number] as (typeof classes)[number];
    let low = 1;
    for (let position = 0; position < kinds.length; position += 1) {
      const kind = kinds[position] as number;
      const left = (free[slot * KINDS + kind] as number) + sign * (this.#amounts[kind] as number);
      low = Math.min(low, left / (totals[kind] as number));
    }
    return 1 - low;
  }

  #imbalanceOf(sum: number, sumOfSquares: number): number {
    return Math.sqrt(Math.max(0, sumOfSquares / this.#count - (sum / this.#count) ** 2));
  }
}
