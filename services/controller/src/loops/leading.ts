/**
 * One term of leadership: all loops, alive from the grant until the term is over. A deposed
 * leader's writes are refused by the store, so stopping late is harmless (I4).
 */
import {
  type AgentDirectory,
  type ChangeBatch,
  type CopyReport,
  type Guest,
  idOf,
  kindOf,
  leaderOf,
  type NodeIntroduction,
  type NodeReport,
  type Operation,
  placementsOf,
  type RecordValue,
  type ReportAnswer,
} from "@innkeeper/core";
import type { CommandContext } from "../commands/command-context.js";
import type { NodeSessions } from "../sessions/node-sessions.js";
import { AgentOutbox } from "./agent-outbox.js";
import type { LoopContext } from "./loop-context.js";
import { MovesLoop } from "./moves-loop.js";
import { NodeLoop } from "./node-loop.js";
import type { NodeViews } from "./node-views.js";
import { orphanOrder } from "./orphans.js";
import { PlacementLoop } from "./placement-loop.js";
import { ReconcileLoop } from "./reconcile-loop.js";
import { forgetOldOperations } from "./retention.js";

export interface LeadingConfig {
  readonly leaseTtlMs: number;
  readonly leaseCheckMs: number;
  readonly resyncMs: number;
  readonly retryMs: number;
  readonly migrationsPerNodeMax: number;
  /** Undefined or 0 = only when somebody asks for it. */
  readonly rebalanceEveryMs?: number;
  readonly operationsKeptMs: number;
}

/** How long room that has come free waits until guests without a place are asked. */
const WAKE_AFTER_MS = 10;

export class Leading {
  readonly #nodes: NodeLoop;
  readonly #reconcile: ReconcileLoop;
  readonly #placement: PlacementLoop;
  readonly #outbox: AgentOutbox;
  readonly #moves: MovesLoop;
  readonly #stops: (() => void)[] = [];
  #isOver = false;
  #isWakeDue = false;
  readonly #changedNodes = new Set<string>();

  constructor(
    private readonly context: LoopContext,
    private readonly parts: {
      readonly sessions: NodeSessions;
      readonly nodeViews: NodeViews;
      readonly agents: AgentDirectory;
      readonly config: LeadingConfig;
      readonly findRequest: CommandContext["store"]["findRequest"];
    },
  ) {
    const { sessions, nodeViews, agents, config, findRequest } = parts;
    this.#moves = new MovesLoop(context, { nodeViews, findRequest, sessions });
    this.#nodes = new NodeLoop(context, sessions);
    this.#outbox = new AgentOutbox({
      mirror: context.mirror,
      agents,
      clock: context.clock,
      log: context.log,
      leaderEpoch: () => context.leader.epoch,
      onReports: (nodeId, reports) => this.#take(nodeId, reports),
      onFailed: (_, guestUids) => this.#reconcile.retryLater(guestUids),
    });
    this.#placement = new PlacementLoop(context, nodeViews, {
      onSettled: (uids) => {
        for (const uid of uids) this.#enqueueIfPlaced(uid);
      },
      isReachable: (nodeId) => sessions.linkOf(nodeId) === "synced",
    });
    this.#reconcile = new ReconcileLoop(context, {
      sessions,
      outbox: this.#outbox,
      place: (uid) => this.#placement.enqueue(uid),
      config,
    });
  }

  start(): void {
    const { config } = this.parts;
    this.#stops.push(
      this.context.mirror.subscribe((batch, before) => this.#onChange(batch, before)),
    );
    this.#every(config.resyncMs, () => this.#resync());
    this.#every(config.leaseCheckMs, () => this.#nodes.checkLeases());
    this.#every(60_000, () => forgetOldOperations(this.context, config.operationsKeptMs));
    const { rebalanceEveryMs = 0 } = config;
    if (rebalanceEveryMs > 0) this.#every(rebalanceEveryMs, () => this.#moves.rebalance());
    this.#reconcile.enqueueAll();
    this.#moves.check();
    for (const { address } of this.context.mirror.nodes()) void this.#introduce(address);
  }

  stop(): void {
    this.#isOver = true;
    for (const stop of this.#stops) stop();
    this.#moves.stop();
  }

  async join(node: NodeIntroduction): Promise<void> {
    await this.#nodes.join(node);
  }

  async report(report: NodeReport): Promise<ReportAnswer> {
    const { sessions, config } = this.parts;
    const controllers = this.context.mirror.controllers().map(({ address }) => address);
    const { epoch: leaderEpoch } = this.context.leader;
    const lease = { leaderEpoch, leaseTtlMs: config.leaseTtlMs, controllers };
    const changed = sessions.report(report);
    if (changed === undefined) return { ...lease, mustJoin: true, wantsFull: false };
    const wantsFull = sessions.differsFrom(report);
    if (wantsFull) this.#sayDiffers(report.nodeId);
    if (report.isFull) await this.#nodes.checkLease(report.nodeId);
    for (const uid of changed) this.#reconcile.enqueue(uid);
    if (report.isFull) this.#onSynced(report.nodeId);
    else this.#settleOrphans(report.nodeId, report.copies);
    return { ...lease, mustJoin: false, wantsFull };
  }

  #sayDiffers(nodeId: string): void {
    this.context.log.warn({ nodeId }, "what the node runs is not what is known; asking for all");
  }

  /** An agent that hears a new epoch reports at once, instead of at its next heartbeat. */
  async #introduce(address: string): Promise<void> {
    const leaderEpoch = this.context.leader.epoch;
    try {
      const own = leaderOf(this.context.mirror.controllers());
      const told = own === undefined ? {} : { leaderAddress: own.address };
      const agent = this.parts.agents.clientFor(address);
      await agent.apply({ leaderEpoch, assignments: [], ...told });
    } catch (error) {
      this.context.log.debug({ address, error }, "an agent could not be told who leads");
    }
  }

  /** What was missed, or sent and not taken, is decided anew. */
  #resync(): void {
    const { sessions } = this.parts;
    this.#reconcile.enqueueAll();
    this.#moves.check();
    for (const { id } of this.context.mirror.nodes()) {
      if (sessions.linkOf(id) === "synced") this.#settleOrphans(id, sessions.copiesOn(id));
    }
  }

  #onSynced(nodeId: string): void {
    this.#settleOrphans(nodeId, this.parts.sessions.copiesOn(nodeId));
    this.#onNode(nodeId);
  }

  /** Guests that are there see it otherwise now; those without a place may find one there. */
  #onNode(nodeId: string): void {
    for (const uid of this.context.mirror.guestsOn(nodeId)) this.#reconcile.enqueue(uid);
    this.#wakePending([nodeId]);
  }

  #settleOrphans(nodeId: string, copies: readonly CopyReport[]): void {
    for (const copy of copies) {
      const guest = this.context.mirror.guestByUid(copy.guestUid)?.value;
      const order = orphanOrder(nodeId, copy, guest);
      if (order !== undefined) this.#outbox.send(nodeId, order);
    }
  }

  #take(nodeId: string, reports: readonly CopyReport[]): void {
    for (const uid of this.parts.sessions.record(nodeId, reports)) this.#reconcile.enqueue(uid);
  }

  #onChange(batch: ChangeBatch, before: readonly (RecordValue | undefined)[]): void {
    batch.changes.forEach(({ key, value }, index) => {
      const kind = kindOf(key);
      if (kind === "guest")
        this.#onGuest(value as Guest | undefined, before[index] as Guest | undefined);
      if (kind === "operation" && value) this.#reconcile.enqueue((value as Operation).guestUid);
      if (kind === "node") this.#onNode(idOf(key));
    });
    this.#moves.check();
  }

  #onGuest(after: Guest | undefined, before: Guest | undefined): void {
    if (after) this.#reconcile.enqueue(after.uid);
    if (before && !after) this.parts.sessions.forgetGuest(before.uid);
    if (!after || after.status.placement) this.#placement.forget((after ?? before)?.uid ?? "");
    if (before !== undefined) this.#onReleased(before, after);
  }

  #onReleased(before: Guest, after: Guest | undefined): void {
    if (before.status.migration && !after?.status.migration) this.#askQueuedMoves();
    if (hasFreed(before, after)) {
      this.#wakePending(placementsOf(before).map(({ nodeId }) => nodeId));
    }
  }

  /** A move has ended: those that wait may have their turn. */
  #askQueuedMoves(): void {
    const waiting = this.context.mirror.guests().filter(({ status }) => status.migration?.isQueued);
    for (const { uid } of waiting) this.#reconcile.enqueue(uid);
  }

  /** Soon, and once for many nodes that come or guests that go. */
  #wakePending(nodeIds: readonly string[]): void {
    for (const nodeId of nodeIds) this.#changedNodes.add(nodeId);
    if (this.#isWakeDue) return;
    this.#isWakeDue = true;
    this.context.clock.schedule(WAKE_AFTER_MS, () => {
      this.#isWakeDue = false;
      const nodes = new Set(this.#changedNodes);
      this.#changedNodes.clear();
      if (!this.#isOver) this.#placement.wake(nodes);
    });
  }

  /** A guest without a place waits for a change; it is not tried again at once. */
  #enqueueIfPlaced(uid: string): void {
    const guest = this.context.mirror.guestByUid(uid)?.value;
    if (guest?.status.placement !== undefined) this.#reconcile.enqueue(uid);
  }

  #every(periodMs: number, work: () => void | Promise<void>): void {
    const tick = async (): Promise<void> => {
      try {
        await work();
      } catch (error) {
        this.context.log.warn({ error }, "periodic work failed and is repeated");
      }
      if (!this.#isOver) cancel = this.context.clock.schedule(periodMs, () => void tick());
    };
    let cancel = this.context.clock.schedule(periodMs, () => void tick());
    this.#stops.push(() => cancel());
  }
}

/** Something that it held on a node is free now. */
function hasFreed({ status }: Guest, after: Guest | undefined): boolean {
  if (after === undefined) return true;
  return (["placement", "migration", "resize"] as const).some(
    (held) => status[held] !== undefined && after.status[held] === undefined,
  );
}
