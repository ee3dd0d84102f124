/** Calls with streams both ways, from the client's side. Errors as `DomainError`. */
import type { ClientDuplexStream } from "@grpc/grpc-js";
import { toDomainError } from "../../domain/errors.js";
import { fromServiceError } from "./status.js";

type BothMethod<Request, Response> = () => ClientDuplexStream<Request, Response>;

/**
 * Sends what there is to send, waiting for a slow server, and yields what comes. The end of the
 * requests leaves the call open; it ends by the server, or when the signal aborts or the reader
 * leaves.
 * @throws the `DomainError` of the call's end; what `requests` throws.
 */
export async function* callBoth<Request, Response>(
  method: BothMethod<Request, Response>,
  requests: AsyncIterable<Request>,
  signal: AbortSignal,
): AsyncGenerator<Response> {
  const call = method();
  const cancel = (): void => call.cancel();
  signal.addEventListener("abort", cancel, { once: true });
  if (signal.aborted) cancel();
  let failure: Error | undefined;
  send(call, requests).catch((error: unknown) => {
    failure = toDomainError(error);
    cancel();
  });
  try {
    for await (const response of call as AsyncIterable<Response>) yield response;
  } catch (error) {
    throw failure ?? fromServiceError(error);
  } finally {
    signal.removeEventListener("abort", cancel);
    cancel();
  }
}

async function send<Request>(
  call: ClientDuplexStream<Request, unknown>,
  requests: AsyncIterable<Request>,
): Promise<void> {
  for await (const request of requests) {
    if (call.destroyed) return;
    if (!call.write(request)) await drained(call);
  }
  call.end();
}

function drained(call: ClientDuplexStream<never, unknown>): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      call.off("drain", done);
      call.off("close", done);
      resolve();
    };
    call.on("drain", done);
    call.on("close", done);
  });
}
