/**
 * What every way from the leader to an agent must do (ports/agent-client.ts): pass requests and
 * answers on as they are, errors with their kind, and say `unavailable` when nobody is there.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CopyReport } from "../../domain/assignment.js";
import type { ConsoleGrant, ConsoleWriter } from "../../domain/console.js";
import { conflict, notFound, precondition } from "../../domain/errors.js";
import type { ExecOutput, ExecRequest } from "../../domain/exec.js";
import type {
  AgentClient,
  AgentDirectory,
  ApplyAssignments,
  ConsoleChunk,
  DiskPiece,
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

  /** Gives the right, says what is written, and lasts until it is told to stop. */
  async *writeConsole(
    writer: ConsoleWriter,
    input: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): AsyncGenerator<ConsoleGrant> {
    this.asked.push(writer);
    if (this.error !== undefined) throw this.error;
    yield { isTerminal: true };
    for await (const bytes of input) this.asked.push([...bytes]);
    this.asked.push("the input has ended");
    await aborted(signal);
    this.asked.push("the writer has gone");
  }

  async *exportDisk(
    guestUid: string,
    snapshotUid: string,
    signal: AbortSignal,
  ): AsyncGenerator<DiskPiece> {
    this.asked.push([guestUid, snapshotUid]);
    if (this.error !== undefined) throw this.error;
    yield { totalBytes: 0, bytes: new Uint8Array() };
    yield { totalBytes: 3, bytes: Uint8Array.of(0, 255, 10) };
    if (snapshotUid !== "") await aborted(signal);
    this.asked.push("the export has ended");
  }

  /** Prints its words, waits until it is told to stop if it is `wait`, and ends. */
  async *exec(
    guestUid: string,
    request: ExecRequest,
    signal: AbortSignal,
  ): AsyncGenerator<ExecOutput> {
    const { words, input, timeoutMs } = request;
    this.asked.push([guestUid, [...words], [...input], timeoutMs]);
    if (this.error !== undefined) throw this.error;
    yield { kind: "stdout", bytes: Uint8Array.of(0, 255, 10) };
    yield { kind: "stderr", bytes: Uint8Array.of(7) };
    if (words[0] === "wait") await aborted(signal);
    this.asked.push("the command has ended");
    yield { kind: "exit", code: 137, isCut: true };
  }
}

function never(): AbortSignal {
  return new AbortController().signal;
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
      const migrateTo = { uri: "tcp:n2:1", downtimeMsMax: 300, slowdownPercentMax: 70 };
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

    it("passes console input on as it is, also after its end, until the writer goes", async () => {
      const writer = { guestUid: anAssignment().guestUid, holder: "ann@host", isForced: true };
      const abort = new AbortController();
      const typed = (async function* () {
        yield Uint8Array.of(0, 255);
        yield Uint8Array.of(13);
      })();
      const grants = client().writeConsole(writer, typed, abort.signal)[Symbol.asyncIterator]();
      expect(await grants.next()).toEqual({ done: false, value: { isTerminal: true } });
      const asked = [writer, [0, 255], [13], "the input has ended"];
      await vi.waitFor(() => expect(agent.asked).toEqual(asked));
      abort.abort();
      await grants.next().catch(() => undefined);
      await vi.waitFor(() => expect(agent.asked.at(-1)).toBe("the writer has gone"));
    });

    it("passes on who writes to a console already", async () => {
      agent.error = precondition("CONSOLE_HELD", "bob writes", { holder: "bob" });
      const writer = { guestUid: anAssignment().guestUid, holder: "ann", isForced: false };
      const silence = (async function* () {})();
      const grants = client().writeConsole(writer, silence, new AbortController().signal);
      await expect(grants[Symbol.asyncIterator]().next()).rejects.toMatchObject({
        reason: "CONSOLE_HELD",
        metadata: { holder: "bob" },
      });
    });

    it("passes a command on as it is, and what comes of it", async () => {
      const { guestUid } = anAssignment();
      const request = {
        words: ["sh", "-c", "ä 'x'"],
        input: Uint8Array.of(0, 255),
        timeoutMs: 1500,
      };
      const { signal } = new AbortController();
      const outputs = [];
      for await (const each of client().exec(guestUid, request, signal)) outputs.push(plain(each));
      expect(outputs).toEqual([
        { kind: "stdout", bytes: [0, 255, 10] },
        { kind: "stderr", bytes: [7] },
        { kind: "exit", code: 137, isCut: true },
      ]);
      expect(agent.asked[0]).toEqual([guestUid, request.words, [0, 255], 1500]);
    });

    it("tells the agent that the one who asked for a command has gone", async () => {
      const abort = new AbortController();
      const request = { words: ["wait"], input: new Uint8Array(0), timeoutMs: 60_000 };
      const outputs = client().exec(anAssignment().guestUid, request, abort.signal);
      for await (const { kind } of outputs) {
        if (kind === "stderr") break;
      }
      abort.abort();
      await vi.waitFor(() => expect(agent.asked).toContain("the command has ended"));
    });

    it("streams a disk as it comes, and tells the agent when nobody wants it", async () => {
      const { guestUid } = anAssignment();
      const pieces = [];
      for await (const { totalBytes, bytes } of client().exportDisk(guestUid, "", never())) {
        pieces.push([totalBytes, [...bytes]]);
      }
      expect(pieces).toEqual([
        [0, []],
        [3, [0, 255, 10]],
      ]);
      expect(agent.asked[0]).toEqual([guestUid, ""]);
      agent.asked.length = 0;
      const abort = new AbortController();
      for await (const { totalBytes } of client().exportDisk(guestUid, guestUid, abort.signal)) {
        if (totalBytes > 0) break;
      }
      abort.abort();
      await vi.waitFor(() => expect(agent.asked).toContain("the export has ended"));
    });

    it("passes on why a command cannot be run", async () => {
      agent.error = precondition("COMMAND_NOT_STARTED", "no such program");
      const request = { words: ["x"], input: new Uint8Array(0), timeoutMs: 1000 };
      const { signal } = new AbortController();
      const outputs = client().exec(anAssignment().guestUid, request, signal);
      await expect(outputs[Symbol.asyncIterator]().next()).rejects.toMatchObject({
        kind: "precondition",
        reason: "COMMAND_NOT_STARTED",
      });
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

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function plain(output: ExecOutput) {
  return output.kind === "exit" ? output : { ...output, bytes: [...output.bytes] };
}
