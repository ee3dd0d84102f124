/**
 * A node: a host that runs guests, as its agent reported it at join. Heartbeats are not part of the
 * record.
 */
import type { ModeAbility } from "./mode.js";
import type { Labels } from "./names.js";
import { mapResources, type Resources } from "./resources.js";
import type { NodeTemplate } from "./template.js";

/** `ready`: lease held. `unreachable`: lease run out; its guests are LOST until it comes back. */
export const NODE_STATES = ["ready", "unreachable"] as const;
export type NodeState = (typeof NODE_STATES)[number];

export interface NodeRecord {
  /** Configured at the agent, unique (RFC 1123 label). */
  readonly id: string;
  /** host:port of the agent's gRPC server. */
  readonly address: string;
  readonly labels: Labels;
  /** Name of the bridge that its guests may be on; undefined = it offers none. */
  readonly bridge?: string;
  /** Where it offers the ports that lead to guests; undefined = its agent is older. */
  readonly forwardHost?: string;
  readonly capacity: Resources;
  /** Kept free for the host itself. */
  readonly reserve: Resources;
  /** Factors of at least 1, in percent: 400 lets 4 milli-CPUs be promised for each one there. */
  readonly overcommitPercent: Resources;
  readonly abilities: readonly ModeAbility[];
  /** What guests can begin from there; absent = nothing. */
  readonly templates?: readonly NodeTemplate[];
  /** What does not work on this node, one sentence each. */
  readonly problems: readonly string[];
  readonly state: NodeState;
  readonly isCordoned: boolean;
  /** Identity of the agent process; changes with each start. */
  readonly incarnation: string;
  readonly joinedAtMs: number;
  readonly updatedAtMs: number;
}

/** What may be promised to guests: capacity × overcommit − reserve (invariant I2). */
export function allocatable(
  node: Pick<NodeRecord, "capacity" | "reserve" | "overcommitPercent">,
): Resources {
  return mapResources((kind) =>
    Math.max(
      0,
      Math.floor((node.capacity[kind] * node.overcommitPercent[kind]) / 100) - node.reserve[kind],
    ),
  );
}
