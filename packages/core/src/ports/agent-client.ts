/** The leader's way to one agent. Contract suite: `testing/contracts/agent-client.contract.ts`. */
import type { CopyReport, GuestAssignment } from "../domain/assignment.js";
import type { ConsoleGrant, ConsoleWriter } from "../domain/console.js";
import type { ExecOutput, ExecRequest } from "../domain/exec.js";

export interface ApplyAssignments {
  readonly leaderEpoch: number;
  readonly assignments: readonly GuestAssignment[];
  /** Where the agent reaches this leader; undefined = as before. */
  readonly leaderAddress?: string;
}

export interface ConsoleChunk {
  readonly bytes: Uint8Array;
  readonly nextOffset: number;
}

export interface DiskPiece {
  /** Of the whole file; 0 while it is made. */
  readonly totalBytes: number;
  readonly bytes: Uint8Array;
}

export interface AgentClient {
  /**
   * Takes the assignments durably and starts to act on them; answers with the reports as they are
   * then. Older intents and epochs are ignored, the answer shows the newer one.
   * @throws `conflict` (LEADER_FENCED) when the agent has seen a higher leader epoch; `unavailable`
   * when it cannot be reached.
   */
  apply(request: ApplyAssignments): Promise<readonly CopyReport[]>;
  /**
   * Console bytes of the guest's copy from `offset` on; empty at the end. @throws `not-found` when
   * the node has no copy.
   */
  readConsole(guestUid: string, offset: number, bytesMax: number): Promise<ConsoleChunk>;
  /**
   * Runs a command inside the guest's copy; see `EngineCopy.exec`. @throws also `not-found` when
   * the node has no copy, `precondition` (NOT_RUNNING), `capacity` (EXEC_BUSY).
   */
  exec(guestUid: string, request: ExecRequest, signal: AbortSignal): AsyncIterable<ExecOutput>;
  /**
   * The guest's first disk as a file, in pieces; see `DiskStore.exportDisk`. Pieces are empty while
   * the file is made.
   */
  exportDisk(guestUid: string, snapshotUid: string, signal: AbortSignal): AsyncIterable<DiskPiece>;
  /**
   * Writes to the console of the guest's copy. Yields the right to write, then lasts until the
   * signal aborts, also after the end of the input.
   * @throws `not-found` when the node has no copy, `unavailable` when it has ended, `precondition`
   * (CONSOLE_HELD, NO_CONSOLE_INPUT), `conflict` (CONSOLE_TAKEN).
   */
  writeConsole(
    writer: ConsoleWriter,
    input: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): AsyncIterable<ConsoleGrant>;
  close(): void;
}

/** Gives the client for an agent's address; the same address may be asked for again and again. */
export interface AgentDirectory {
  clientFor(address: string): AgentClient;
}
