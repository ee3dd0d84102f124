/**
 * What every way from the leader to an agent must do (ports/agent-client.ts): pass requests and
 * answers on as they are, errors with their kind, and say `unavailable` when nobody is there.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CopyReport } from "../../domain/assignment.js";
import { conflict, notFound } from "../../domain/errors.js";
import type {
  AgentClient,
  AgentDirectory,
  ApplyAssignments,
  ConsoleChunk,
} from "../../ports/agent-client.js";
import { aCopyReport, anAssignment } from "../builders.js";

export type AgentHandler = Omit<AgentClient, "close">;

export interface AgentDirectoryUnderTest {
  readonly directory: AgentDirectory;
  /** Where the handler answers. */
  readonly address: string;
  /** Where nobody does. */
  readonly deadAddress: string;
  close(): Promise<void>;
}

type Open = (handler: AgentHandler) => Promise<AgentDirectoryUnderTest>;

class RecordingAgent implements AgentHandler {
  readonly asked: unknown[] = [];
  reports: readonly CopyReport[] = [];
  error: Error | undefined;

  apply(request: ApplyAssignments): Promise<readonly CopyReport[]> {
    this.asked.push(request);
    return this.error === undefined ? Promise.resolve(this.reports) : Promise.reject(this.error);
  }

  readConsole(guestUid: string, offset: number, bytesMax: number): Promise<ConsoleChunk> {
    this.asked.push([guestUid, offset, bytesMax]);
    if (this.error !== undefined) return Promise.reject(this.error);
    return Promise.resolve({ bytes: Uint8Array.of(0, 255, 10), nextOffset: offset + 3 });
  }
}

export function agentClientContract(name: string, open: Open): void {
  describe(`agent client contract: ${name}`, () => {
    let agent: RecordingAgent;
    let subject: AgentDirectoryUnderTest;
    beforeEach(async () => {
      agent = new RecordingAgent();
      subject = await open(agent);
    });
    afterEach(async () => {
      await subject.close();
    });
    const client = (): AgentClient => subject.directory.clientFor(subject.address);

    it("passes assignments and reports on as they are", async () => {
      const migrateTo = { uri: "tcp:n2:1", downtimeMsMax: 300 };
      const request = {
        leaderEpoch: 7,
        assignments: [anAssignment(), anAssignment({ desired: "sending", migrateTo })],
      };
      const lastExit = { reason: "guest-panic", message: "ä" } as const;
      agent.reports = [aCopyReport({ state: "backing-off", lastExit, startedAtMs: 5 })];
      expect(await client().apply(request)).toEqual(agent.reports);
      expect(agent.asked).toEqual([request]);
    });

    it("passes console bytes on as they are", async () => {
      const { guestUid } = anAssignment();
      const { bytes, nextOffset } = await client().readConsole(guestUid, 4, 100);
      expect([...bytes, nextOffset]).toEqual([0, 255, 10, 7]);
      expect(agent.asked).toEqual([[guestUid, 4, 100]]);
    });

    it("passes errors on with kind, reason and metadata", async () => {
      agent.error = conflict("LEADER_FENCED", "epoch 6 is over", { seen: "7" });
      await expect(client().apply({ leaderEpoch: 6, assignments: [] })).rejects.toMatchObject({
        kind: "conflict",
        reason: "LEADER_FENCED",
        metadata: { seen: "7" },
      });
      agent.error = notFound("copy", "x");
      const reading = client().readConsole(anAssignment().guestUid, 0, 1);
      await expect(reading).rejects.toMatchObject({ kind: "not-found", reason: "COPY_NOT_FOUND" });
    });

    it("hides a bug of the agent behind `internal`", async () => {
      agent.error = new TypeError("secret");
      const failure = client().apply({ leaderEpoch: 1, assignments: [] });
      await expect(failure).rejects.toMatchObject({ kind: "internal" });
      await expect(failure).rejects.not.toThrow("secret");
    });

    it("says unavailable, or that it took too long, when nobody is there", async () => {
      const dead = subject.directory.clientFor(subject.deadAddress);
      const failure = dead.apply({ leaderEpoch: 1, assignments: [] });
      await expect(failure).rejects.toMatchObject({
        kind: expect.stringMatching(/^(unavailable|timeout)$/),
      });
    });

    it("carries many calls at once", async () => {
      const calls = Array.from({ length: 50 }, (_, leaderEpoch) =>
        client().apply({ leaderEpoch, assignments: [anAssignment()] }),
      );
      await Promise.all(calls);
      expect(agent.asked).toHaveLength(50);
    });
  });
}
