/**
 * Sends assignments to agents, those of one tick together. An assignment is in flight to a node at
 * most once; what is not confirmed is decided anew by the reconcile loop, so nothing here needs to
 * be remembered or repeated.
 */
import type { AgentDirectory, Clock, CopyReport, GuestAssignment, Logger } from "@innkeeper/core";
import type { Mirror } from "../mirror/mirror.js";

export interface OutboxContext {
  readonly mirror: Mirror;
  readonly agents: AgentDirectory;
  readonly clock: Clock;
  readonly log: Logger;
  readonly leaderEpoch: () => number;
  readonly onReports: (nodeId: string, reports: readonly CopyReport[]) => void;
  /** The node did not answer: decide about these guests again later. */
  readonly onFailed: (nodeId: string, guestUids: readonly string[]) => void;
}

export class AgentOutbox {
  readonly #waiting = new Map<string, Map<string, GuestAssignment>>();
  readonly #inFlight = new Map<string, GuestAssignment>();

  constructor(private readonly context: OutboxContext) {}

  send(nodeId: string, assignment: GuestAssignment): void {
    const flying = this.#inFlight.get(`${nodeId}/${assignment.guestUid}`);
    const isSame = flying?.intent === assignment.intent && flying.desired === assignment.desired;
    if (isSame) return;
    const batch = this.#waiting.get(nodeId);
    if (batch !== undefined) {
      batch.set(assignment.guestUid, assignment);
      return;
    }
    this.#waiting.set(nodeId, new Map([[assignment.guestUid, assignment]]));
    queueMicrotask(() => void this.#flush(nodeId));
  }

  async #flush(nodeId: string): Promise<void> {
    const assignments = [...(this.#waiting.get(nodeId)?.values() ?? [])];
    this.#waiting.delete(nodeId);
    const keys = assignments.map(({ guestUid }) => `${nodeId}/${guestUid}`);
    keys.forEach((key, index) => {
      this.#inFlight.set(key, assignments[index] as GuestAssignment);
    });
    const reports = await this.#apply(nodeId, assignments);
    keys.forEach((key, index) => {
      if (this.#inFlight.get(key) === assignments[index]) this.#inFlight.delete(key);
    });
    if (reports === undefined) {
      this.context.onFailed(
        nodeId,
        assignments.map(({ guestUid }) => guestUid),
      );
    } else {
      this.context.onReports(nodeId, reports);
    }
  }

  async #apply(
    nodeId: string,
    assignments: readonly GuestAssignment[],
  ): Promise<readonly CopyReport[] | undefined> {
    const node = this.context.mirror.node(nodeId)?.value;
    if (node === undefined) return undefined;
    try {
      const leaderEpoch = this.context.leaderEpoch();
      return await this.context.agents.clientFor(node.address).apply({ leaderEpoch, assignments });
    } catch (error) {
      this.context.log.warn({ nodeId, error }, "assignments did not reach the agent");
      return undefined;
    }
  }
}
