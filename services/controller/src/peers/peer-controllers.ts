/**
 * The other controllers, over gRPC: agents may ask any controller, so one that does not lead passes
 * on to the one that does; and blobs of images that were imported elsewhere are fetched from
 * whoever has them.
 *
 * P1 What was passed on once is never passed on again, so nothing goes in circles.
 */
import { credentials, Metadata } from "@grpc/grpc-js";
import {
  type ControllerRecord,
  type DomainError,
  leaderOf,
  toDomainError,
  unavailable,
} from "@innkeeper/core";
import { CLIENT_OPTIONS, callStream, callUnary } from "@innkeeper/core/platform";
import {
  type JoinNodeRequest,
  type JoinNodeResponse,
  type ReadBlobRequest,
  RegistryServiceClient,
  type ReportNodeRequest,
  type ReportNodeResponse,
} from "@innkeeper/proto/innkeeper/agent/v1/registry_service";

/** Metadata of a call that comes from another controller. */
const PASSED_ON = "innkeeper-passed-on";

export interface PeerControllersOptions {
  readonly ownId: string;
  readonly timeoutMs: number;
  /** All controllers that the store knows. */
  readonly controllers: () => readonly ControllerRecord[];
}

export class PeerControllers {
  readonly #clients = new Map<string, RegistryServiceClient>();

  constructor(private readonly options: PeerControllersOptions) {}

  /** @throws `unavailable` when no other controller is known to lead. */
  async join(request: JoinNodeRequest): Promise<JoinNodeResponse> {
    const leader = this.#leader();
    return await callUnary(leader.joinNode.bind(leader), request, this.#call());
  }

  async report(request: ReportNodeRequest): Promise<ReportNodeResponse> {
    const leader = this.#leader();
    return await callUnary(leader.reportNode.bind(leader), request, this.#call());
  }

  /**
   * The blob from there on; where one controller breaks off, the next one goes on. @throws
   * `not-found` or `unavailable` of the last one asked.
   */
  async *readBlob(sha256: string, offsetBytes: number): AsyncGenerator<Uint8Array> {
    let failure: DomainError = unavailable("blob", "no other controller is known");
    let offset = offsetBytes;
    for (const { address } of this.#others()) {
      const client = this.#clientFor(address);
      const read = (request: ReadBlobRequest) => client.readBlob(request, passedOn());
      const pieces = callStream(read, { sha256, offset }, { idleMs: this.options.timeoutMs });
      try {
        for await (const { data } of pieces) {
          offset += data.length;
          yield data;
        }
        return;
      } catch (error) {
        failure = toDomainError(error);
      }
    }
    throw failure;
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  #call() {
    return { timeoutMs: this.options.timeoutMs, metadata: passedOn() };
  }

  #leader(): RegistryServiceClient {
    const leader = leaderOf(this.options.controllers());
    if (leader === undefined || leader.id === this.options.ownId) {
      throw unavailable("leader", "no controller leads now");
    }
    return this.#clientFor(leader.address);
  }

  #others(): readonly ControllerRecord[] {
    return this.options.controllers().filter(({ id }) => id !== this.options.ownId);
  }

  #clientFor(address: string): RegistryServiceClient {
    const known = this.#clients.get(address);
    if (known !== undefined) return known;
    const client = new RegistryServiceClient(address, credentials.createInsecure(), CLIENT_OPTIONS);
    this.#clients.set(address, client);
    return client;
  }
}

export function isPassedOn(metadata: Metadata): boolean {
  return metadata.get(PASSED_ON).length > 0;
}

function passedOn(): Metadata {
  const metadata = new Metadata();
  metadata.set(PASSED_ON, "1");
  return metadata;
}
