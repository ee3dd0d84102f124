/** Keeps the nodes' records true: joins, leases that run out, nodes that come back. */
import {
  type NodeIntroduction,
  type NodeRecord,
  type NodeState,
  recordKey,
  type Transaction,
  unavailable,
} from "@innkeeper/core";
import type { NodeSessions } from "../sessions/node-sessions.js";
import type { LoopContext } from "./loop-context.js";

export class NodeLoop {
  constructor(
    private readonly context: LoopContext,
    private readonly sessions: NodeSessions,
  ) {}

  /**
   * Records the node as its agent introduces it and opens a session. @throws `unavailable` after a
   * lost race.
   */
  async join(node: NodeIntroduction): Promise<void> {
    const { mirror, clock } = this.context;
    const known = mirror.node(node.id);
    const nowMs = clock.nowMs();
    const record: NodeRecord = {
      ...node,
      state: "ready",
      isCordoned: known?.value.isCordoned ?? false,
      joinedAtMs: known?.value.joinedAtMs ?? nowMs,
      updatedAtMs: nowMs,
    };
    const isCommitted = await this.#commit([writeOf(record, known?.revision ?? "absent")]);
    if (!isCommitted) throw unavailable("controller", "the node's record changed meanwhile");
    this.sessions.open(node.id, node.incarnation);
  }

  /** Compares every node's record with its link; called at each tick. */
  async checkLeases(): Promise<void> {
    await this.#follow(this.context.mirror.nodes());
  }

  /** The same for one node, which has just told everything. */
  async checkLease(nodeId: string): Promise<void> {
    const node = this.context.mirror.node(nodeId)?.value;
    if (node !== undefined) await this.#follow([node]);
  }

  async #follow(nodes: readonly NodeRecord[]): Promise<void> {
    const writes = nodes.map((node) => this.#newState(node)).filter((each) => each !== undefined);
    if (writes.length > 0) await this.#commit(writes);
  }

  /** Undefined when the record is true. */
  #newState({ id, state: known }: NodeRecord): Transaction | undefined {
    const { mirror, log, clock } = this.context;
    const link = this.sessions.linkOf(id);
    const lost: NodeState = link === "unreachable" ? "unreachable" : known;
    const state = link === "synced" ? "ready" : lost;
    const found = mirror.node(id);
    if (found === undefined || state === known) return undefined;
    log.warn({ nodeId: id, state }, "node changed its state");
    return writeOf({ ...found.value, state, updatedAtMs: clock.nowMs() }, found.revision);
  }

  /** @returns whether all were taken; a lost race is decided again at the next tick. */
  async #commit(transactions: readonly Transaction[]): Promise<boolean> {
    const results = await this.context.leader.commitAll(transactions);
    const revisions = results.map((each) => (each.isCommitted ? each.revision : 0));
    await this.context.mirrored(Math.max(...revisions));
    return revisions.every((revision) => revision > 0);
  }
}

function writeOf(record: NodeRecord, revision: number | "absent"): Transaction {
  const key = recordKey("node", record.id);
  return { checks: [{ key, revision }], puts: [{ key, value: record }], deletes: [], counters: [] };
}
