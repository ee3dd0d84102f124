/** Agents over gRPC: one connection for each address, kept. */
import { credentials } from "@grpc/grpc-js";
import type {
  AgentClient,
  AgentDirectory,
  ApplyAssignments,
  ConsoleChunk,
  ConsoleGrant,
  ConsoleWriter,
  CopyReport,
  DiskPiece,
  ExecOutput,
  ExecRequest,
} from "@innkeeper/core";
import { CLIENT_OPTIONS, callBoth, callStream, callUnary } from "@innkeeper/core/platform";
import {
  assignmentToProto,
  commandToProto,
  parseExecOutput,
  parseReport,
} from "@innkeeper/core/wire";
import {
  AgentServiceClient,
  type WriteCopyConsoleRequest,
} from "@innkeeper/proto/innkeeper/agent/v1/agent_service";

export class GrpcAgentDirectory implements AgentDirectory {
  readonly #clients = new Map<string, GrpcAgentClient>();

  constructor(private readonly timeoutMs: number) {}

  clientFor(address: string): AgentClient {
    const known = this.#clients.get(address);
    if (known !== undefined) return known;
    const client = new GrpcAgentClient(address, this.timeoutMs);
    this.#clients.set(address, client);
    return client;
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }
}

class GrpcAgentClient implements AgentClient {
  readonly #client: AgentServiceClient;

  constructor(
    address: string,
    private readonly timeoutMs: number,
  ) {
    this.#client = new AgentServiceClient(address, credentials.createInsecure(), CLIENT_OPTIONS);
  }

  async apply(order: ApplyAssignments): Promise<readonly CopyReport[]> {
    const { leaderEpoch, assignments, leaderAddress = "" } = order;
    const orders = assignments.map(assignmentToProto);
    const request = { leaderEpoch, assignments: orders, leaderAddress };
    const apply = this.#client.applyAssignments.bind(this.#client);
    const { reports } = await callUnary(apply, request, { timeoutMs: this.timeoutMs });
    return reports.map(parseReport);
  }

  async readConsole(guestUid: string, offset: number, bytesMax: number): Promise<ConsoleChunk> {
    const read = this.#client.readCopyConsole.bind(this.#client);
    const answer = await callUnary(
      read,
      { guestUid, offset, bytesMax },
      { timeoutMs: this.timeoutMs },
    );
    return { bytes: answer.data, nextOffset: answer.nextOffset };
  }

  async *writeConsole(
    writer: ConsoleWriter,
    input: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): AsyncGenerator<ConsoleGrant> {
    const write = this.#client.writeCopyConsole.bind(this.#client);
    for await (const { grant } of callBoth(write, consoleMessages(writer, input), signal)) {
      if (grant !== undefined) yield { isTerminal: grant.terminal };
    }
  }

  async *exec(
    guestUid: string,
    request: ExecRequest,
    signal: AbortSignal,
  ): AsyncGenerator<ExecOutput> {
    const exec = this.#client.execCopy.bind(this.#client);
    const asked = { guestUid, command: commandToProto(request) };
    const idleMs = request.timeoutMs + this.timeoutMs;
    for await (const { output } of callStream(exec, asked, { idleMs, signal })) {
      const parsed = parseExecOutput(output);
      if (parsed !== undefined) yield parsed;
    }
  }

  async *exportDisk(
    guestUid: string,
    snapshotUid: string,
    signal: AbortSignal,
  ): AsyncGenerator<DiskPiece> {
    const call = this.#client.exportDisk.bind(this.#client);
    const options = { idleMs: this.timeoutMs, signal };
    for await (const { data, totalBytes } of callStream(call, { guestUid, snapshotUid }, options)) {
      yield { bytes: data, totalBytes };
    }
  }

  close(): void {
    this.#client.close();
  }
}

async function* consoleMessages(
  { guestUid, holder, isForced }: ConsoleWriter,
  input: AsyncIterable<Uint8Array>,
): AsyncGenerator<WriteCopyConsoleRequest> {
  yield { part: { $case: "opening", value: { guestUid, holder, force: isForced } } };
  for await (const bytes of input) {
    const value = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    yield { part: { $case: "input", value } };
  }
}
