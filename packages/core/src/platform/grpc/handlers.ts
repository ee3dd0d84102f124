/** Turns async functions into grpc-js handlers: one place for errors, logging and cancellation. */
import type {
  handleBidiStreamingCall,
  handleClientStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  ServerDuplexStream,
  ServerWritableStream,
} from "@grpc/grpc-js";
import { DomainError, toDomainError } from "../../domain/errors.js";
import type { Logger } from "../../ports/logger.js";
import { readContext, withContext } from "../message-context.js";
import { readEach } from "./read-each.js";
import { toServiceError } from "./status.js";
import { decoded } from "./tolerant.js";

export function unary<Request, Response>(
  log: Logger,
  handle: (request: Request, metadata: Metadata) => Promise<Response> | Response,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const work = async (): Promise<Response> => await handle(decoded(call.request), call.metadata);
    withContext(contextOf(call), work)
      .then((response) => callback(null, response))
      .catch((error: unknown) => callback(failure(log, call.getPath(), error)));
  };
}

/**
 * The handler yields responses; the signal aborts when the client goes away. Waits for slow
 * readers.
 */
export function serverStream<Request, Response>(
  log: Logger,
  handle: (request: Request, signal: AbortSignal, metadata: Metadata) => AsyncIterable<Response>,
): handleServerStreamingCall<Request, Response> {
  return (call) => {
    const abort = new AbortController();
    call.on("cancelled", () => abort.abort());
    call.on("close", () => abort.abort());
    Promise.resolve()
      .then(() => handle(decoded(call.request), abort.signal, call.metadata))
      .then((responses) => pump(call, responses, abort.signal))
      .then(() => call.end())
      .catch((error: unknown) => call.emit("error", failure(log, call.getPath(), error)));
  };
}

export function clientStream<Request, Response>(
  log: Logger,
  handle: (requests: AsyncIterable<Request>) => Promise<Response>,
): handleClientStreamingCall<Request, Response> {
  return (call, callback) => {
    handle(decodedEach(call as AsyncIterable<Request>))
      .then((response) => callback(null, response))
      .catch((error: unknown) => callback(failure(log, call.getPath(), error)));
  };
}

/**
 * Requests come as they are read and wait for a slow handler; the signal aborts when the client
 * goes away. The end of the requests does not end the call: the handler does.
 */
export function bothStreams<Request, Response>(
  log: Logger,
  handle: (calls: {
    readonly requests: AsyncIterable<Request>;
    readonly signal: AbortSignal;
    /** Address of the client. */
    readonly peer: string;
  }) => AsyncIterable<Response>,
): handleBidiStreamingCall<Request, Response> {
  return (call) => {
    const abort = new AbortController();
    call.on("cancelled", () => abort.abort());
    call.on("close", () => abort.abort());
    const { signal } = abort;
    const requests = decodedEach(readEach<Request>(call, signal));
    Promise.resolve()
      .then(() => handle({ requests, signal, peer: call.getPeer() }))
      .then((responses) => pump(call, responses, signal))
      .then(() => call.end())
      .catch((error: unknown) => call.emit("error", failure(log, call.getPath(), error)));
  };
}

/** The request id of a mutation is in its body; everything else comes beside it. */
function contextOf(call: { readonly metadata: Metadata; readonly request: unknown }) {
  const { metadata, request } = call;
  const context = readContext({ get: (name) => String(metadata.get(name)[0] ?? "") });
  const isNamed = typeof request === "object" && request !== null && "requestId" in request;
  const named = isNamed ? String(request.requestId) : "";
  return named === "" ? context : { ...context, requestId: named };
}

async function* decodedEach<Request>(requests: AsyncIterable<Request>): AsyncGenerator<Request> {
  try {
    for await (const request of requests) yield decoded(request);
  } catch (error) {
    throw error instanceof DomainError ? error : brokenOff(error);
  }
}

/** The client is gone; nobody hears this answer. */
function brokenOff(cause: unknown): DomainError {
  const message = "the client broke the stream off";
  return new DomainError(
    { kind: "cancelled", reason: "STREAM_BROKEN_OFF", message, metadata: {} },
    { cause },
  );
}

async function pump<Request, Response>(
  call: ServerWritableStream<Request, Response> | ServerDuplexStream<Request, Response>,
  responses: AsyncIterable<Response>,
  signal: AbortSignal,
): Promise<void> {
  for await (const response of responses) {
    if (signal.aborted) return;
    if (!call.write(response)) await drained(call, signal);
  }
}

function drained(call: NodeJS.EventEmitter, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      call.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    call.once("drain", done);
    signal.addEventListener("abort", done);
  });
}

function failure(log: Logger, path: string, thrown: unknown) {
  const { kind, cause } = toDomainError(thrown);
  if (kind === "internal") log.error({ path, error: cause ?? thrown }, "a call failed with a bug");
  else if (kind === "corrupt") log.error({ path, error: thrown }, "a call met corrupt data");
  return toServiceError(thrown);
}
