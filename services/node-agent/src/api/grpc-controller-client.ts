/**
 * The controllers over gRPC, as an agent sees them: any of them will do, since one that does not
 * lead passes on. Who answered last is asked first; each answer tells of the others, so one address
 * is enough to begin with.
 */
import { credentials } from "@grpc/grpc-js";
import {
  type ControllerClient,
  DomainError,
  type NodeIntroduction,
  type NodeReport,
  type ReportAnswer,
  unavailable,
} from "@innkeeper/core";
import { CLIENT_OPTIONS, callStream, callUnary } from "@innkeeper/core/platform";
import { introductionToProto, nodeReportToProto } from "@innkeeper/core/wire";
import { RegistryServiceClient } from "@innkeeper/proto/innkeeper/agent/v1/registry_service";

/** Controllers that are remembered beside the configured ones. */
const LEARNED_MAX = 16;

/** After these another controller is asked. */
const ELSEWHERE: readonly DomainError["kind"][] = ["unavailable", "timeout"];

export class GrpcControllerClient implements ControllerClient {
  readonly #configured: readonly string[];
  readonly #clients = new Map<string, RegistryServiceClient>();
  /** Addresses in the order in which they are asked. */
  #order: readonly string[];

  /** @param addresses host:port of each controller, at least one */
  constructor(
    addresses: readonly string[],
    /** Of each attempt at each controller. */
    private readonly timeoutMs: number,
  ) {
    this.#configured = addresses;
    this.#order = addresses;
  }

  async join(node: NodeIntroduction): Promise<void> {
    const request = introductionToProto(node);
    const limit = { timeoutMs: this.timeoutMs };
    await this.#ask((client) => callUnary(client.joinNode.bind(client), request, limit));
  }

  async report(report: NodeReport): Promise<ReportAnswer> {
    const request = nodeReportToProto(report);
    const limit = { timeoutMs: this.timeoutMs };
    const answer = await this.#ask((client) =>
      callUnary(client.reportNode.bind(client), request, limit),
    );
    this.#learn(answer.controllers);
    return answer;
  }

  async findBlob(sha256: string, nodeId: string): Promise<readonly string[]> {
    const limit = { timeoutMs: this.timeoutMs };
    const { addresses } = await this.#ask((client) =>
      callUnary(client.findBlob.bind(client), { sha256, nodeId }, limit),
    );
    return addresses;
  }

  async *readBlob(sha256: string, offset: number): AsyncGenerator<Uint8Array> {
    const client = this.#clientFor(this.#order[0] ?? "");
    try {
      const pieces = callStream(
        client.readBlob.bind(client),
        { sha256, offset },
        { idleMs: this.timeoutMs },
      );
      for await (const { data } of pieces) yield data;
    } catch (error) {
      if (isElsewhere(error)) this.#askLast();
      throw error;
    }
  }

  /** It leads, so it is asked first. */
  learn(address: string): void {
    this.#order = [address, ...this.#order.filter((each) => each !== address)];
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }

  async #ask<T>(call: (client: RegistryServiceClient) => Promise<T>): Promise<T> {
    let failure: unknown = unavailable("controller", "none is known");
    for (const address of this.#order) {
      try {
        return await call(this.#clientFor(address));
      } catch (error) {
        if (!isElsewhere(error)) throw error;
        failure = error;
        this.#askLast();
      }
    }
    throw failure;
  }

  #askLast(): void {
    const [first = "", ...others] = this.#order;
    this.#order = [...others, first];
  }

  /** Those that are gone from the answer and were never configured are forgotten. */
  #learn(addresses: readonly string[]): void {
    const known = new Set([...this.#configured, ...addresses.slice(0, LEARNED_MAX)]);
    const kept = this.#order.filter((address) => known.has(address));
    for (const address of kept) known.delete(address);
    this.#order = [...kept, ...known];
    for (const [address, client] of this.#clients) {
      if (this.#order.includes(address)) continue;
      client.close();
      this.#clients.delete(address);
    }
  }

  #clientFor(address: string): RegistryServiceClient {
    const known = this.#clients.get(address);
    if (known !== undefined) return known;
    const client = new RegistryServiceClient(address, credentials.createInsecure(), CLIENT_OPTIONS);
    this.#clients.set(address, client);
    return client;
  }
}

function isElsewhere(error: unknown): boolean {
  return error instanceof DomainError && ELSEWHERE.includes(error.kind);
}
