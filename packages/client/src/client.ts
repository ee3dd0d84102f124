/**
 * A typed client: one object for each service, each unary method a function that returns a promise,
 * each server stream an async iterable. Errors are `DomainError`s. Calls that found the cluster
 * unavailable are repeated by gRPC's own retry policy; give mutations a `requestId` so that a
 * repetition does nothing twice.
 */
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { CLIENT_OPTIONS, fromServiceError } from "@innkeeper/core/platform";
import { ClusterServiceService } from "@innkeeper/proto/innkeeper/v1/cluster_service";
import { EventServiceService } from "@innkeeper/proto/innkeeper/v1/event_service";
import { GuestServiceService } from "@innkeeper/proto/innkeeper/v1/guest_service";
import { ImageServiceService } from "@innkeeper/proto/innkeeper/v1/image_service";
import { NodeServiceService } from "@innkeeper/proto/innkeeper/v1/node_service";
import { OperationServiceService } from "@innkeeper/proto/innkeeper/v1/operation_service";
import { ProjectServiceService } from "@innkeeper/proto/innkeeper/v1/project_service";

interface Method<Request, Response> {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: (request: Request) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Response;
}

type RequestOf<M> = M extends { requestSerialize(request: infer R): Buffer } ? R : never;
type ResponseOf<M> = M extends { responseDeserialize(bytes: Buffer): infer R } ? R : never;

/** What a service looks like to its users. */
export type ServiceClient<Service> = {
  readonly [Name in keyof Service as Service[Name] extends { requestStream: false }
    ? Name
    : never]: Service[Name] extends { responseStream: true }
    ? (
        request: RequestOf<Service[Name]>,
        signal?: AbortSignal,
      ) => AsyncGenerator<ResponseOf<Service[Name]>>
    : (
        request: RequestOf<Service[Name]>,
        options?: { readonly timeoutMs?: number },
      ) => Promise<ResponseOf<Service[Name]>>;
};

export interface InnkeeperClient {
  readonly cluster: ServiceClient<typeof ClusterServiceService>;
  readonly events: ServiceClient<typeof EventServiceService>;
  readonly guests: ServiceClient<typeof GuestServiceService>;
  readonly images: ServiceClient<typeof ImageServiceService>;
  readonly nodes: ServiceClient<typeof NodeServiceService>;
  readonly operations: ServiceClient<typeof OperationServiceService>;
  readonly projects: ServiceClient<typeof ProjectServiceService>;
  /** For calls that this client does not wrap, such as the upload of an image. */
  readonly channel: Client;
  close(): void;
}

export const TIMEOUT_MS_DEFAULT = 30_000;

/** A command may have run, a line may have been typed, before the cluster became unavailable. */
const NEVER_REPEATED = ["ExecGuest", "AttachConsole"].map((method) => ({
  service: "innkeeper.v1.GuestService",
  method,
}));

const RETRY_POLICY = JSON.stringify({
  methodConfig: [
    { name: NEVER_REPEATED },
    {
      name: [{}],
      retryPolicy: {
        maxAttempts: 5,
        initialBackoff: "0.1s",
        maxBackoff: "2s",
        backoffMultiplier: 2,
        retryableStatusCodes: ["UNAVAILABLE"],
      },
    },
  ],
});

/** `endpoint` is host:port of any controller. Connects at the first call. */
export function createClient(endpoint: string): InnkeeperClient {
  const options = { ...CLIENT_OPTIONS, "grpc.service_config": RETRY_POLICY };
  const channel = new Client(endpoint, credentials.createInsecure(), options);
  return {
    cluster: serviceClient(channel, ClusterServiceService),
    events: serviceClient(channel, EventServiceService),
    guests: serviceClient(channel, GuestServiceService),
    images: serviceClient(channel, ImageServiceService),
    nodes: serviceClient(channel, NodeServiceService),
    operations: serviceClient(channel, OperationServiceService),
    projects: serviceClient(channel, ProjectServiceService),
    channel,
    close: () => channel.close(),
  };
}

function serviceClient<Service extends object>(
  channel: Client,
  service: Service,
): ServiceClient<Service> {
  const methods = Object.entries(service) as [string, Method<unknown, unknown>][];
  const callable = methods
    .filter(([, method]) => !method.requestStream)
    .map(([name, method]) => [
      name,
      method.responseStream ? streamCall(channel, method) : unaryCall(channel, method),
    ]);
  return Object.fromEntries(callable) as ServiceClient<Service>;
}

function unaryCall(channel: Client, method: Method<unknown, unknown>) {
  return (request: unknown, options: { timeoutMs?: number } = {}): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const deadline = Date.now() + (options.timeoutMs ?? TIMEOUT_MS_DEFAULT);
      const done = (error: ServiceError | null, response: unknown): void => {
        if (error) reject(fromServiceError(error));
        else resolve(response);
      };
      const { path, requestSerialize, responseDeserialize } = method;
      const metadata = new Metadata();
      const call = { deadline };
      channel.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadata,
        call,
        done,
      );
    });
}

function streamCall(channel: Client, method: Method<unknown, unknown>) {
  return async function* (request: unknown, signal?: AbortSignal): AsyncGenerator<unknown> {
    const { path, requestSerialize, responseDeserialize } = method;
    const call = channel.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
    );
    const cancel = (): void => call.cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      for await (const response of call) yield response;
    } catch (error) {
      if (!signal?.aborted) throw fromServiceError(error);
    } finally {
      signal?.removeEventListener("abort", cancel);
      call.cancel();
    }
  };
}
