/**
 * Finds places for pending guests, many in one batch. What overcommit forbids is refused by the
 * store's counters, however old the snapshot was (I2). A guest that fits nowhere keeps the reasons
 * and is tried again when something changes.
 */
import {
  allocatable,
  type Guest,
  guestKey,
  nodeCounter,
  type PlacementDecision,
  type PlacementRequest,
  RESOURCE_KINDS,
  type Rejection,
  recordKey,
  type Transaction,
  withNewIntent,
  withPhase,
} from "@innkeeper/core";
import type { Versioned } from "../mirror/mirror.js";
import type { LoopContext } from "./loop-context.js";
import type { NodeViews, PlacementTurn } from "./node-views.js";
import { placementRequest } from "./placement-request.js";

/** Decisions made from one snapshot. */
const BATCH_MAX = 256;

export class PlacementLoop {
  readonly #queue = new Set<string>();
  #isRunning = false;

  constructor(
    private readonly context: LoopContext,
    private readonly nodeViews: NodeViews,
    /** Called with guests whose record was written or whose turn was lost. */
    private readonly onSettled: (guestUids: readonly string[]) => void,
  ) {}

  enqueue(guestUid: string): void {
    this.#queue.add(guestUid);
    if (this.#isRunning) return;
    this.#isRunning = true;
    queueMicrotask(() => void this.#drain());
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
    const uids = [...this.#queue].slice(0, BATCH_MAX);
    for (const uid of uids) this.#queue.delete(uid);
    const transactions = this.#decideAll(uids);
    const results = await this.context.leader.commitAll(transactions);
    const newest = Math.max(0, ...results.map((each) => (each.isCommitted ? each.revision : 0)));
    await this.context.mirrored(newest);
    this.onSettled(uids);
  }

  #decideAll(uids: readonly string[]): Transaction[] {
    return this.nodeViews.inTurn((turn) =>
      uids
        .map((uid) => this.context.mirror.guestByUid(uid))
        .filter((found) => found !== undefined && needsPlace(found.value))
        .map((found) => this.#decide(found as Versioned<Guest>, turn))
        .filter((transaction) => transaction !== undefined),
    );
  }

  /** Undefined when there is nothing new to say. */
  #decide({ value, revision }: Versioned<Guest>, turn: PlacementTurn): Transaction | undefined {
    const { mirror, ids, clock } = this.context;
    const request = placementRequest(value, mirror);
    const result = turn.place(request, ids.random32());
    if (!result.isPlaced && this.nodeViews.isAwaitingNodes()) return undefined;
    const changed = result.isPlaced
      ? placed(value, result.decision)
      : unplaced(value, result.rejections);
    if (changed === undefined) return undefined;
    const guest = { ...changed, updatedAtMs: clock.nowMs() };
    const {
      checks = [],
      counters = [],
      puts = [],
    } = result.isPlaced ? this.#allocate(request, result.decision, turn) : this.#waiting(guest);
    const key = guestKey(guest);
    return {
      checks: [{ key, revision }, ...checks],
      puts: [{ key, value: guest }, ...puts],
      deletes: [],
      counters,
    };
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

  #allocate(
    request: PlacementRequest,
    { nodeId }: PlacementDecision,
    turn: PlacementTurn,
  ): Partial<Transaction> {
    const { mirror } = this.context;
    const node = mirror.node(nodeId);
    if (node === undefined) return {};
    turn.take(request, nodeId);
    const limit = allocatable(node.value);
    return {
      checks: [{ key: recordKey("node", nodeId), revision: node.revision }],
      counters: RESOURCE_KINDS.filter((kind) => request.resources[kind] > 0).map((kind) => ({
        key: nodeCounter(nodeId, kind),
        delta: request.resources[kind],
        max: limit[kind],
      })),
    };
  }
}

function needsPlace(guest: Guest): boolean {
  return (
    !guest.isDeleting && guest.status.placement === undefined && guest.spec.desired !== "stopped"
  );
}

function placed(guest: Guest, decision: PlacementDecision): Guest {
  const { nodeId, engine, mode } = decision;
  const epoch = guest.status.epochLast + 1;
  const there = withPhase(guest, { phase: "PLACED", reason: "", message: decision.message });
  const placement = { nodeId, engine, mode, epoch, decision };
  const status = { ...there.status, placement, rejections: [], epochLast: epoch };
  return withNewIntent({ ...there, status });
}

/** Undefined when the reasons are the same as before: nothing to write. */
function unplaced(guest: Guest, rejections: readonly Rejection[]): Guest | undefined {
  const message = summary(rejections);
  const isSame = JSON.stringify(guest.status.rejections) === JSON.stringify(rejections);
  if (isSame && guest.status.message === message && guest.status.phase === "PENDING") {
    return undefined;
  }
  const pending = withPhase(guest, { phase: "PENDING", reason: "NOTHING_FITS", message });
  return { ...pending, status: { ...pending.status, rejections } };
}

function summary(rejections: readonly Rejection[]): string {
  if (rejections.length === 0) return "no node has joined";
  const nodes = new Map<string, string[]>();
  for (const { nodeId, filter, message } of rejections) {
    const said = nodes.get(nodeId) ?? [];
    said.push(`${filter} ${message}`);
    nodes.set(nodeId, said);
  }
  return [...nodes].map(([nodeId, said]) => `${nodeId}: ${said.join(", ")}`).join("; ");
}
