/**
 * An agent's way to the controllers. Contract suite: `testing/contracts/agent-client.contract.ts`.
 */
import type { CopyReport } from "../domain/assignment.js";
import type { UsageReading } from "../domain/copy.js";
import type { NodeRecord } from "../domain/node.js";

export type NodeIntroduction = Pick<
  NodeRecord,
  | "id"
  | "address"
  | "labels"
  | "forwardHost"
  | "bridge"
  | "capacity"
  | "reserve"
  | "overcommitPercent"
  | "abilities"
  | "templates"
  | "problems"
  | "incarnation"
>;

export interface NodeReport {
  readonly nodeId: string;
  readonly incarnation: string;
  /**
   * Counts the reports of this incarnation, from 1. A report that arrives after a newer one, sent
   * anew over another connection for instance, is not taken.
   */
  readonly sequence: number;
  /** True: `copies` is everything on the node; false: only what changed. */
  readonly isFull: boolean;
  readonly copies: readonly CopyReport[];
  /** `copiesDigest` of everything on the node, whatever `copies` holds. */
  readonly digest: string;
  /** What the running guests take; empty in reports between two heartbeats. */
  readonly usage: readonly UsageReading[];
}

export interface ReportAnswer {
  readonly leaderEpoch: number;
  /** From the moment the report was sent, on the agent's monotonic clock. */
  readonly leaseTtlMs: number;
  /** The controller does not know this agent process: join again and send a full report. */
  readonly mustJoin: boolean;
  /** What the controller knows has another digest: report everything. */
  readonly wantsFull: boolean;
  /** host:port of every controller that the cluster knows. */
  readonly controllers: readonly string[];
}

export interface ControllerClient {
  /** Makes the node known and opens a session for this incarnation. */
  join(node: NodeIntroduction): Promise<void>;
  /** Renews the node's lease and tells what runs. @throws `unavailable` when no leader answers. */
  report(report: NodeReport): Promise<ReportAnswer>;
  /** The bytes of a blob that an image consists of, from there on. @throws `not-found`. */
  readBlob(sha256: string, offsetBytes: number): AsyncIterable<Uint8Array>;
  /** host:port of agents that should have it, those to ask first in front. */
  findBlob(sha256: string, nodeId: string): Promise<readonly string[]>;
  /** Another way in, told by a leader. */
  learn?(address: string): void;
  close(): void;
}
