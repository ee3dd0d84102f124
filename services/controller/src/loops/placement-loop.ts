/**
 * Finds places for pending guests, many in one batch, in the order of the fair queue. What
 * overcommit forbids is refused by the store's counters, however old the snapshot was (I2). A guest
 * that fits nowhere keeps the reasons and is tried again when something changes. Guests of one gang
 * get places together or wait together.
 */
import {
  allocatable,
  FairQueue,
  type Guest,
  guestKey,
  heldBy,
  NO_RULES,
  nodeCounter,
  type PlacementDecision,
  type PlacementRequest,
  type PlacementResult,
  type Preempting,
  placementsOf,
  RESOURCE_KINDS,
  type Rejection,
  recordKey,
  type Transaction,
} from "@innkeeper/core";
import { portCounters } from "../commands/guest-network.js";
import type { Versioned } from "../mirror/mirror.js";
import type { LoopContext } from "./loop-context.js";
import type { NodeViews, PlacementTurn } from "./node-views.js";
import { placementRequest } from "./placement-request.js";
import { PlacementRetries } from "./placement-retries.js";
import {
  type NoPlace,
  needsPlace,
  placed,
  summary,
  unplaced,
  waitingGuest,
} from "./placement-status.js";
import { Preemption } from "./preemption.js";

/** Decisions made from one snapshot. */
const BATCH_MAX = 256;

export class PlacementLoop {
  readonly #queue = new FairQueue();
  readonly #retries: PlacementRetries;
  /** For whom others are leaving. */
  readonly #preemptors = new Set<string>();
  #isRunning = false;

  constructor(
    private readonly context: LoopContext,
    private readonly nodeViews: NodeViews,
    private readonly hooks: {
      /** Called with guests whose record was written or whose turn was lost. */
      readonly onSettled: (guestUids: readonly string[]) => void;
      readonly isReachable: (nodeId: string) => boolean;
    },
  ) {
    this.#retries = new PlacementRetries(context.clock);
  }

  /** To be asked in its turn, unless it was asked shortly before and nothing changed for it. */
  enqueue(guestUid: string): void {
    const guest = this.context.mirror.guestByUid(guestUid)?.value;
    if (guest === undefined || !this.#retries.isDue(guest)) return;
    this.#queue.add(waitingGuest(guest));
    this.#askPreemptors();
    if (this.#isRunning) return;
    this.#isRunning = true;
    queueMicrotask(() => void this.#drain());
  }

  /** Something changed on these nodes: who waits and may have room there now is asked again. */
  wake(nodeIds: ReadonlySet<string>): void {
    const { mirror } = this.context;
    for (const uid of mirror.guestsWithoutPlace()) {
      const guest = mirror.guestByUid(uid)?.value;
      if (guest === undefined || !needsPlace(guest)) continue;
      const held = heldBy(guest.spec);
      const isServed = [...nodeIds].some((nodeId) => this.nodeViews.hasRoom(nodeId, held));
      if (isServed) this.#retries.wake(uid);
      this.enqueue(uid);
    }
  }

  forget(guestUid: string): void {
    this.#retries.forget(guestUid);
  }

  /**
   * Whoever others make room for is asked with everybody, and so before those of lower priority.
   */
  #askPreemptors(): void {
    for (const uid of this.#preemptors) {
      const guest = this.context.mirror.guestByUid(uid)?.value;
      if (guest !== undefined && needsPlace(guest)) this.#queue.add(waitingGuest(guest));
      else this.#preemptors.delete(uid);
    }
  }

  async #drain(): Promise<void> {
    try {
      while (this.#queue.size > 0) await this.#placeBatch();
    } catch (error) {
      this.context.log.warn({ error }, "placement failed and is tried again");
    } finally {
      this.#isRunning = false;
    }
  }

  async #placeBatch(): Promise<void> {
    const shares = this.nodeViews.shares(this.context.clock.nowMs());
    const uids = this.#queue.take(BATCH_MAX, shares).map(({ guestUid }) => guestUid);
    const transactions = this.#decideAll(uids);
    const results = await this.context.leader.commitAll(transactions);
    const newest = Math.max(0, ...results.map((each) => (each.isCommitted ? each.revision : 0)));
    await this.context.mirrored(newest);
    this.hooks.onSettled(uids);
  }

  #decideAll(uids: readonly string[]): Transaction[] {
    const seen = new Set<string>();
    const preemption = new Preemption(this.context.mirror, this.hooks.isReachable);
    return this.nodeViews.inTurn((turn) =>
      uids.flatMap((uid) => {
        const found = this.context.mirror.guestByUid(uid);
        if (found === undefined || !needsPlace(found.value)) return [];
        const { gangId } = found.value;
        if (gangId === undefined) return this.#decide(found, turn, preemption);
        if (seen.has(gangId)) return [];
        seen.add(gangId);
        return this.#decideGang(gangId, turn);
      }),
    );
  }

  /** Nothing when there is nothing new to say. */
  #decide(found: Versioned<Guest>, turn: PlacementTurn, preemption: Preemption): Transaction[] {
    const result = this.#place(found.value, turn);
    if (result.isPlaced) return [this.#placed(found, result.decision)];
    const { rejections } = result;
    const made = this.#makeRoom(found, { turn, preemption, rejections });
    return made ?? this.#notPlaced(found, { rejections, message: summary(rejections) });
  }

  /** Undefined when nobody leaves for it; it then waits like any other. */
  #makeRoom(
    { value: guest, revision }: Versioned<Guest>,
    { turn, preemption, rejections }: MakingRoom,
  ): Transaction[] | undefined {
    if (this.nodeViews.isAwaitingNodes()) return undefined;
    const request = placementRequest(guest, this.context.mirror);
    const { preempting: awaited } = guest.status;
    if (awaited !== undefined && preemption.isAwaited(guest)) {
      this.#reserve(request, awaited, turn);
      return [];
    }
    const seed = this.context.ids.random32();
    const preempting = preemption.choose(guest, { turn, request, seed });
    if (preempting === undefined) return undefined;
    const nowMs = this.context.clock.nowMs();
    const { checks = [], puts = [] } = preemption.evictions(guest, preempting, nowMs);
    const names = puts.map(({ value }) => `${(value as Guest).projectId}/${(value as Guest).id}`);
    const message = `waits until ${names.join(", ")} left ${preempting.nodeId} for it`;
    const waiting = unplaced(guest, { rejections, message, reason: "AWAITS_ROOM" }) ?? guest;
    const told = this.#waiting(waiting);
    const status = { ...waiting.status, preempting };
    const key = guestKey(guest);
    const put = { key, value: { ...waiting, status, updatedAtMs: nowMs } };
    this.#reserve(request, preempting, turn);
    return [
      {
        checks: [{ key, revision }, ...checks, ...(told.checks ?? [])],
        puts: [put, ...puts, ...(told.puts ?? [])],
        deletes: [],
        counters: [],
      },
    ];
  }

  /** What is free there, and what will be, is for nobody after it in this turn and later ones. */
  #reserve(request: PlacementRequest, preempting: Preempting, turn: PlacementTurn): void {
    const { nodeId, victimUids } = preempting;
    this.#preemptors.add(request.guestUid);
    turn.take(request, nodeId);
    for (const uid of victimUids) {
      const victim = this.context.mirror.guestByUid(uid)?.value;
      const places = victim === undefined ? [] : placementsOf(victim);
      for (const place of places) if (place.nodeId === nodeId) turn.expect(place);
    }
  }

  /** All that have no place get one, the largest first, in one transaction; or none does. */
  #decideGang(gangId: string, turn: PlacementTurn): Transaction[] {
    const members = this.context.mirror.gang(gangId).filter(({ value }) => needsPlace(value));
    members.sort((left, right) => bySize(left.value, right.value));
    let why: NoPlace = { rejections: [], message: "" };
    const all = turn.attempt(() => {
      const placed: Transaction[] = [];
      for (const member of members) {
        const result = this.#place(member.value, turn);
        if (!result.isPlaced) {
          why = lacking(members.length, placed.length, { member, ...result });
          return undefined;
        }
        placed.push(this.#placed(member, result.decision));
      }
      return placed;
    });
    if (all !== undefined) return [asOne(all)];
    return members.flatMap((member) => this.#notPlaced(member, why));
  }

  /** What it takes counts for the later ones of the turn. */
  #place(guest: Guest, turn: PlacementTurn): PlacementResult {
    const request = placementRequest(guest, this.context.mirror);
    const result = turn.place(request, this.context.ids.random32());
    if (result.isPlaced) turn.take(request, result.decision.nodeId);
    return result;
  }

  #placed({ value, revision }: Versioned<Guest>, decision: PlacementDecision): Transaction {
    const guest = { ...placed(value, decision), updatedAtMs: this.context.clock.nowMs() };
    const { checks = [], counters = [] } = this.#allocation(guest, decision);
    const key = guestKey(guest);
    return {
      checks: [{ key, revision }, ...checks],
      puts: [{ key, value: guest }],
      deletes: [],
      counters,
    };
  }

  #notPlaced({ value, revision }: Versioned<Guest>, why: NoPlace): Transaction[] {
    if (this.nodeViews.isAwaitingNodes()) return [];
    // What others do anywhere may help one that has rules about them.
    if ((value.spec.rules ?? NO_RULES).groups.length === 0) this.#retries.failed(value);
    const changed = unplaced(value, why);
    if (changed === undefined) return [];
    const guest = { ...changed, updatedAtMs: this.context.clock.nowMs() };
    const { checks = [], puts = [] } = this.#waiting(guest);
    const key = guestKey(guest);
    return [
      {
        checks: [{ key, revision }, ...checks],
        puts: [{ key, value: guest }, ...puts],
        deletes: [],
        counters: [],
      },
    ];
  }

  /** Its operation says what it waits for. */
  #waiting(guest: Guest): Partial<Transaction> {
    const operation = this.context.mirror.operation(guest.operationId);
    if (operation === undefined) return {};
    const key = recordKey("operation", guest.operationId);
    const message = `waits for room: ${guest.status.message}`;
    const value = { ...operation.value, message, updatedAtMs: guest.updatedAtMs };
    return { checks: [{ key, revision: operation.revision }], puts: [{ key, value }] };
  }

  #allocation({ spec }: Guest, { nodeId }: PlacementDecision): Partial<Transaction> {
    const node = this.context.mirror.node(nodeId);
    if (node === undefined) return {};
    const limit = allocatable(node.value);
    const held = heldBy(spec);
    return {
      checks: [{ key: recordKey("node", nodeId), revision: node.revision }],
      counters: [
        ...RESOURCE_KINDS.filter((kind) => held[kind] > 0).map((kind) => ({
          key: nodeCounter(nodeId, kind),
          delta: held[kind],
          max: limit[kind],
        })),
        ...portCounters(spec, nodeId),
      ],
    };
  }
}

interface MakingRoom {
  readonly turn: PlacementTurn;
  readonly preemption: Preemption;
  readonly rejections: readonly Rejection[];
}

function bySize({ spec: left, id }: Guest, { spec: right, id: otherId }: Guest): number {
  const { memoryMib, cpuMillis } = right.resources;
  const difference = memoryMib - left.resources.memoryMib || cpuMillis - left.resources.cpuMillis;
  return difference || (id < otherId ? -1 : 1);
}

function lacking(
  size: number,
  fitting: number,
  { member, rejections }: { member: Versioned<Guest>; rejections: readonly Rejection[] },
): NoPlace {
  const so = `gang of ${size}: ${fitting} find places together, "${member.value.id}" does not`;
  return { rejections, message: `${so}: ${summary(rejections)}` };
}

function asOne(all: readonly Transaction[]): Transaction {
  return {
    checks: all.flatMap(({ checks }) => checks),
    puts: all.flatMap(({ puts }) => puts),
    deletes: [],
    counters: all.flatMap(({ counters }) => counters),
  };
}
