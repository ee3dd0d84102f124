/** The controllers over gRPC, as an agent sees them. */
import { credentials } from "@grpc/grpc-js";
import type { ControllerClient, NodeIntroduction, NodeReport, ReportAnswer } from "@innkeeper/core";
import { CLIENT_OPTIONS, callStream, callUnary } from "@innkeeper/core/platform";
import { introductionToProto, reportToProto } from "@innkeeper/core/wire";
import { RegistryServiceClient } from "@innkeeper/proto/innkeeper/agent/v1/registry_service";

export class GrpcControllerClient implements ControllerClient {
  readonly #client: RegistryServiceClient;

  constructor(
    address: string,
    private readonly timeoutMs: number,
  ) {
    this.#client = new RegistryServiceClient(address, credentials.createInsecure(), CLIENT_OPTIONS);
  }

  async join(node: NodeIntroduction): Promise<void> {
    const join = this.#client.joinNode.bind(this.#client);
    await callUnary(join, introductionToProto(node), this.timeoutMs);
  }

  async report({ isFull, copies, ...rest }: NodeReport): Promise<ReportAnswer> {
    const request = { ...rest, full: isFull, copies: copies.map(reportToProto) };
    return await callUnary(this.#client.reportNode.bind(this.#client), request, this.timeoutMs);
  }

  async *readBlob(sha256: string): AsyncGenerator<Uint8Array> {
    const read = this.#client.readBlob.bind(this.#client);
    for await (const { data } of callStream(read, { sha256 })) yield data;
  }

  close(): void {
    this.#client.close();
  }
}
