/**
 * Nodes as the scheduler sees them: the records, what is allocated, and whether their agents answer
 * now.
 */
import type { NodeView, Resources } from "@innkeeper/core";
import type { Mirror } from "../mirror/mirror.js";
import type { NodeSessions } from "../sessions/node-sessions.js";

export class NodeViews {
  constructor(
    private readonly mirror: Mirror,
    /** What the leader hears; undefined = this controller does not lead and believes the records. */
    private readonly sessions: NodeSessions | undefined,
  ) {}

  /** Some node that is known has not been heard yet by this leader: too early to say that nothing fits. */
  isAwaitingNodes(): boolean {
    const { sessions } = this;
    if (sessions === undefined) return false;
    return this.mirror.nodes().some(({ id }) => sessions.linkOf(id) === "unknown");
  }

  /** `pending` is what was decided but is not committed yet, by node. */
  all(pending: ReadonlyMap<string, Resources> = new Map()): NodeView[] {
    return this.mirror.nodes().map((node) => {
      const isHeard = !this.sessions || this.sessions.linkOf(node.id) === "synced";
      const isReady = node.state === "ready" && isHeard;
      return {
        node: isReady ? node : { ...node, state: "unreachable" },
        allocated: pending.get(node.id) ?? this.mirror.allocatedOn(node.id),
      };
    });
  }
}
