/**
 * The controllers over gRPC, as an agent sees them: any of them will do, since one that does not lead passes on. Who answered
 * last is asked first.
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

/** After these another controller is asked. */
const ELSEWHERE: readonly DomainError["kind"][] = ["unavailable", "timeout"];

export class GrpcControllerClient implements ControllerClient {
  readonly #clients: readonly RegistryServiceClient[];
  #preferred = 0;

  /** @param addresses host:port of each controller, at least one */
  constructor(
    addresses: readonly string[],
    /** Of each attempt at each controller. */
    private readonly timeoutMs: number,
  ) {
    this.#clients = addresses.map(
      (address) => new RegistryServiceClient(address, credentials.createInsecure(), CLIENT_OPTIONS),
    );
  }

  async join(node: NodeIntroduction): Promise<void> {
    const request = introductionToProto(node);
    const limit = { timeoutMs: this.timeoutMs };
    await this.#ask((client) => callUnary(client.joinNode.bind(client), request, limit));
  }

  async report(report: NodeReport): Promise<ReportAnswer> {
    const request = nodeReportToProto(report);
    const limit = { timeoutMs: this.timeoutMs };
    return await this.#ask((client) => callUnary(client.reportNode.bind(client), request, limit));
  }

  async *readBlob(sha256: string): AsyncGenerator<Uint8Array> {
    const client = this.#clients[this.#preferred] as RegistryServiceClient;
    try {
      const pieces = callStream(client.readBlob.bind(client), { sha256 }, this.timeoutMs);
      for await (const { data } of pieces) yield data;
    } catch (error) {
      if (isElsewhere(error)) this.#preferNext();
      throw error;
    }
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  async #ask<T>(call: (client: RegistryServiceClient) => Promise<T>): Promise<T> {
    let failure: unknown = unavailable("controller", "none is known");
    for (const _ of this.#clients) {
      try {
        return await call(this.#clients[this.#preferred] as RegistryServiceClient);
      } catch (error) {
        if (!isElsewhere(error)) throw error;
        failure = error;
        this.#preferNext();
      }
    }
    throw failure;
  }

  #preferNext(): void {
    this.#preferred = (this.#preferred + 1) % this.#clients.length;
  }
}

function isElsewhere(error: unknown): boolean {
  return error instanceof DomainError && ELSEWHERE.includes(error.kind);
}
