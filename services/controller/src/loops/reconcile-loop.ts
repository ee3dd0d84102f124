/**
 * Makes observed equal desired, guest by guest: plans with `planGuest`, commits writes, sends acts.
 * A guest is planned again whenever its record or a report changes, and at every resync; between
 * its write and the mirror of it, it rests.
 */
import {
  type Guest,
  type GuestPlan,
  type GuestView,
  guestKey,
  imageCounter,
  mapUsage,
  movesThatMayBegin,
  nodeCounter,
  planGuest,
  RESOURCE_KINDS,
  recordKey,
  type Transaction,
  takenBy,
  type Usage,
  usageOf,
} from "@innkeeper/core";
import { releasedNetwork } from "../commands/guest-network.js";
import { lineCounters, projectLine } from "../commands/quota-line.js";
import type { NodeSessions } from "../sessions/node-sessions.js";
import type { AgentOutbox } from "./agent-outbox.js";
import type { LoopContext } from "./loop-context.js";

export interface ReconcileConfig {
  /** Pause after an agent did not answer, or a write was refused. */
  readonly retryMs: number;
  /** Moves in which a node takes part at a time. */
  readonly migrationsPerNodeMax: number;
}

type Write = Extract<GuestPlan, { do: "write" }>;

interface PlannedWrite {
  readonly uid: string;
  readonly transaction: Transaction;
}

export class ReconcileLoop {
  readonly #queue = new Set<string>();
  /** Guests whose write is on its way to the mirror. */
  readonly #resting = new Set<string>();
  #isScheduled = false;

  constructor(
    private readonly context: LoopContext,
    private readonly parts: {
      readonly sessions: NodeSessions;
      readonly outbox: AgentOutbox;
      readonly place: (guestUid: string) => void;
      readonly config: ReconcileConfig;
    },
  ) {}

  enqueue(guestUid: string): void {
    this.#queue.add(guestUid);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => this.#turn());
  }

  enqueueAll(): void {
    for (const guest of this.context.mirror.guests()) this.enqueue(guest.uid);
  }

  retryLater(guestUids: readonly string[]): void {
    this.context.clock.schedule(this.parts.config.retryMs, () => {
      for (const uid of guestUids) this.enqueue(uid);
    });
  }

  #turn(): void {
    this.#isScheduled = false;
    const uids = [...this.#queue].filter((uid) => !this.#resting.has(uid));
    this.#queue.clear();
    const writes: PlannedWrite[] = [];
    for (const uid of uids) {
      const found = this.context.mirror.guestByUid(uid);
      if (found === undefined) continue;
      const plan = planGuest(this.#view(found.value));
      if (plan.do === "write") {
        writes.push({ uid, transaction: this.#transaction(found.value, found.revision, plan) });
      } else {
        this.#follow(uid, plan);
      }
    }
    if (writes.length > 0) void this.#commit(writes);
  }

  #follow(uid: string, plan: Exclude<GuestPlan, { do: "write" }>): void {
    if (plan.do === "place") this.parts.place(uid);
    if (plan.do !== "act") return;
    for (const { nodeId, assignment } of plan.assignments) {
      this.parts.outbox.send(nodeId, assignment);
    }
  }

  #view(guest: Guest): GuestView {
    const { mirror, clock } = this.context;
    const { sessions } = this.parts;
    return {
      guest,
      operation: mirror.operation(guest.operationId)?.value,
      image: mirror.image(guest.spec.imageId)?.value,
      linkOf: (nodeId) => sessions.linkOf(nodeId),
      copyOn: (nodeId) => sessions.copyOn(nodeId, guest.uid),
      mayBeginMove: () => this.#turns().has(guest.uid),
      nowMs: clock.nowMs(),
    };
  }

  /** Migrations whose turn it is, as the mirror shows them now. */
  #turns(): ReadonlySet<string> {
    const moving = this.context.mirror.guests().filter(({ status }) => status.migration);
    const busy = moving.filter(({ status }) => !status.migration?.isQueued).flatMap(nodesOfMove);
    const queued = moving
      .filter(({ status }) => status.migration?.isQueued)
      .map((guest) => ({
        guestUid: guest.uid,
        priority: guest.spec.priority ?? 0,
        sinceMs: guest.status.migration?.startedAtMs ?? 0,
        nodeIds: nodesOfMove(guest),
      }));
    return movesThatMayBegin(queued, busy, this.parts.config.migrationsPerNodeMax);
  }

  async #commit(writes: readonly PlannedWrite[]): Promise<void> {
    for (const { uid } of writes) this.#resting.add(uid);
    const uids = writes.map(({ uid }) => uid);
    try {
      const results = await this.context.leader.commitAll(writes.map((each) => each.transaction));
      const newest = Math.max(0, ...results.map((each) => (each.isCommitted ? each.revision : 0)));
      await this.context.mirrored(newest);
      for (const uid of uids) this.#resting.delete(uid);
      const refused = uids.filter((_, index) => results[index]?.isCommitted !== true);
      for (const uid of uids) if (!refused.includes(uid)) this.enqueue(uid);
      if (refused.length > 0) this.retryLater(refused);
    } catch (error) {
      this.context.log.warn({ error }, "writes failed and are decided again");
      for (const uid of uids) this.#resting.delete(uid);
      this.retryLater(uids);
    }
  }

  #transaction(guest: Guest, revision: number, plan: Write): Transaction {
    const key = guestKey(guest);
    const { mirror, clock } = this.context;
    const operation = plan.operation;
    const known = operation && mirror.operation(operation.id);
    const operationKey = operation && recordKey("operation", operation.id);
    const after = plan.guest && { ...plan.guest, updatedAtMs: clock.nowMs() };
    return {
      checks: [
        { key, revision },
        ...(operationKey && known ? [{ key: operationKey, revision: known.revision }] : []),
      ],
      puts: [
        ...(after ? [{ key, value: after }] : []),
        ...(operation && operationKey ? [{ key: operationKey, value: operation }] : []),
      ],
      deletes: after ? [] : [key],
      counters: [
        ...releases(plan),
        ...lineCounters(projectLine(mirror, guest.projectId), released(guest, after)),
        ...releasedImage(guest, after),
        ...releasedNetwork(guest, after),
      ],
    };
  }
}

function releases(plan: Write): Transaction["counters"] {
  return plan.releases.flatMap(({ nodeId, resources }) =>
    RESOURCE_KINDS.filter((kind) => resources[kind] > 0).map((kind) => ({
      key: nodeCounter(nodeId, kind),
      delta: -resources[kind],
      max: undefined,
    })),
  );
}

function nodesOfMove({ status: { migration } }: Guest): string[] {
  return migration === undefined ? [] : [migration.sourceNodeId, migration.target.nodeId];
}

/** What the guest takes no more: all that admission took, once it is gone. */
function released(before: Guest, after: Guest | undefined): Usage {
  const [had, has] = [usageOf(takenBy(before)), after && usageOf(takenBy(after))];
  return mapUsage((kind) => (has?.[kind] ?? 0) - had[kind]);
}

function releasedImage({ spec }: Guest, after: Guest | undefined): Transaction["counters"] {
  return after ? [] : [{ key: imageCounter(spec.imageId), delta: -1, max: undefined }];
}
