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
    const isCommitted = await this.#write(record, known?.revision ?? "absent");
    if (!isCommitted) throw unavailable("controller", "the node's record changed meanwhile");
    this.sessions.open(node.id, node.incarnation);
  }

  /** Compares every node's record with its link; called at each tick and when a node comes back. */
  async checkLeases(): Promise<void> {
    for (const node of this.context.mirror.nodes()) {
      const link = this.sessions.linkOf(node.id);
      const state: NodeState = link === "unreachable" ? "unreachable" : node.state;
      await this.#setState(node, link === "synced" ? "ready" : state);
    }
  }

  async #setState(node: NodeRecord, state: NodeState): Promise<void> {
    if (node.state === state) return;
    const found = this.context.mirror.node(node.id);
    if (found === undefined) return;
    this.context.log.warn({ nodeId: node.id, state }, "node changed its state");
    const record = { ...found.value, state, updatedAtMs: this.context.clock.nowMs() };
    await this.#write(record, found.revision);
  }

  async #write(record: NodeRecord, revision: number | "absent"): Promise<boolean> {
    const key = recordKey("node", record.id);
    const transaction: Transaction = {
      checks: [{ key, revision }],
      puts: [{ key, value: record }],
      deletes: [],
      counters: [],
    };
    const [result] = await this.context.leader.commitAll([transaction]);
    if (result?.isCommitted !== true) return false;
    await this.context.mirrored(result.revision);
    return true;
  }
}
