/** Calls as promises, with a deadline each, and errors as `DomainError`. */
import type {
  CallOptions,
  ClientReadableStream,
  ClientUnaryCall,
  Metadata,
  ServiceError,
} from "@grpc/grpc-js";
import { Metadata as GrpcMetadata } from "@grpc/grpc-js";
import { DomainError } from "../../domain/errors.js";
import { presentContext, writeContext } from "../message-context.js";
import { fromServiceError } from "./status.js";

type UnaryMethod<Request, Response> = (
  ...call: [
    request: Request,
    metadata: Metadata,
    options: Partial<CallOptions>,
    callback: (error: ServiceError | null, response: Response) => void,
  ]
) => ClientUnaryCall;

type StreamMethod<Request, Response> = (
  request: Request,
  options?: Partial<CallOptions>,
) => ClientReadableStream<Response>;

export interface UnaryCallOptions {
  readonly timeoutMs: number;
  readonly metadata?: Metadata;
}

/** Calls once. @throws the `DomainError` of the answer, `timeout` after `timeoutMs`. */
export function callUnary<Request, Response>(
  method: UnaryMethod<Request, Response>,
  request: Request,
  { timeoutMs, metadata = new GrpcMetadata() }: UnaryCallOptions,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + timeoutMs;
    writeContext(presentContext(), { set: (name, text) => metadata.set(name, text) });
    method(request, metadata, { deadline }, (error, response) => {
      if (error) reject(fromServiceError(error));
      else resolve(response);
    });
  });
}

export interface StreamCallOptions {
  /** Each message must come within this time of being asked for. */
  readonly idleMs: number;
  /** Breaks the call off: the other side hears of it at once. */
  readonly signal?: AbortSignal;
}

/**
 * Reads a stream to its end. A reader may take its time.
 * @throws the `DomainError` of the stream's end; `timeout` when the other side is silent.
 */
export async function* callStream<Request, Response>(
  method: StreamMethod<Request, Response>,
  request: Request,
  { idleMs, signal }: StreamCallOptions,
): AsyncGenerator<Response> {
  const call = method(request);
  const cancel = (): void => call.cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  const messages = call[Symbol.asyncIterator]();
  let isSilent = false;
  const next = async (): Promise<IteratorResult<Response>> => {
    const timer = setTimeout(() => {
      isSilent = true;
      call.cancel();
    }, idleMs);
    try {
      return (await messages.next()) as IteratorResult<Response>;
    } finally {
      clearTimeout(timer);
    }
  };
  try {
    for (let each = await next(); !each.done; each = await next()) yield each.value;
  } catch (error) {
    throw isSilent ? silent(idleMs) : fromServiceError(error);
  } finally {
    signal?.removeEventListener("abort", cancel);
    call.cancel();
  }
}

function silent(idleMs: number): DomainError {
  const message = `the other side was silent for ${idleMs} ms`;
  const metadata = { idleMs: String(idleMs) };
  return new DomainError({ kind: "timeout", reason: "STREAM_SILENT", message, metadata });
}

/**
 * Reconnects within two seconds, notices a dead peer, carries messages as large as our servers
 * take.
 */
export const CLIENT_OPTIONS = {
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 2_000,
  "grpc.keepalive_time_ms": 5_000,
  "grpc.keepalive_timeout_ms": 3_000,
  "grpc.max_receive_message_length": 4 * 1024 * 1024,
  "grpc.max_send_message_length": 4 * 1024 * 1024,
} as const;
