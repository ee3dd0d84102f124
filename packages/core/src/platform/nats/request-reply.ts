/**
 * Bytes asked and bytes answered over NATS. An error travels as `google.rpc.Status`, as over gRPC;
 * a header tells the two kinds of answer apart.
 */
import { headers, type Msg, type MsgHdrs, type NatsConnection } from "@nats-io/transport-node";
import { toDomainError, unavailable } from "../../domain/errors.js";
import type { Logger } from "../../ports/logger.js";
import { fromStatusBytes, toStatusBytes } from "../grpc/status.js";
import {
  type MessageContext,
  presentContext,
  readContext,
  withContext,
  writeContext,
} from "../message-context.js";
import { natsFailure } from "./nats-errors.js";
import type { NatsLink } from "./nats-link.js";

const ANSWER_HEADER = "Innkeeper-Answer";
const IS_ERROR = "error";
/** Requests that one subscription handles at a time; more are told to try another way. */
const REQUESTS_MAX = 1_024;

export interface NatsRequest {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly context: MessageContext;
}

/**
 * Asks once. @throws the `DomainError` of the answer; `unavailable` when nobody serves the subject
 * or the request is too large for the server; `timeout` after `timeoutMs`.
 */
export async function request(
  link: NatsLink,
  { subject, data, context }: NatsRequest,
  timeoutMs: number,
): Promise<Uint8Array> {
  const { connection } = link;
  const bytesMax = connection.info?.max_payload ?? 0;
  if (data.length > bytesMax) {
    throw unavailable("nats", `a message of ${data.length} bytes is larger than ${bytesMax}`);
  }
  const sent = headers();
  writeContext({ ...presentContext(), ...context }, sent);
  let answer: Msg;
  try {
    answer = await connection.request(subject, data, { timeout: timeoutMs, headers: sent });
  } catch (error) {
    throw natsFailure(error);
  }
  if (answer.headers?.get(ANSWER_HEADER) === IS_ERROR) throw fromStatusBytes(answer.data);
  return answer.data;
}

export interface Service {
  readonly subject: string;
  readonly handle: (request: NatsRequest) => Promise<Uint8Array>;
  readonly log: Logger;
}

/**
 * Serves a subject from the first connection on, until the returned function is called; requests
 * that are on their way then are answered.
 */
export function serve(link: NatsLink, service: Service): () => void {
  let stop: () => void = () => undefined;
  const callOff = link.whenConnected((connection) => {
    stop = subscribe(connection, service);
  });
  return () => {
    callOff();
    stop();
  };
}

function subscribe(connection: NatsConnection, service: Service): () => void {
  let running = 0;
  const subscription = connection.subscribe(service.subject, {
    callback: (error, message) => {
      if (error !== null) {
        service.log.warn({ error, subject: service.subject }, "nats ended a subscription");
        return;
      }
      if (running >= REQUESTS_MAX) {
        respondError(message, unavailable("service", "too many requests at once"));
        return;
      }
      running += 1;
      void answer(message, service).finally(() => {
        running -= 1;
      });
    },
  });
  // What the server has sent already is answered too: who asked would wait for its time-out.
  return () => void subscription.drain().catch(() => subscription.unsubscribe());
}

async function answer(message: Msg, { handle, log }: Service): Promise<void> {
  const context = message.headers === undefined ? {} : readContext(message.headers);
  const { subject, data } = message;
  try {
    message.respond(await withContext(context, () => handle({ subject, data, context })));
  } catch (thrown) {
    const error = toDomainError(thrown);
    if (error.kind === "internal" || error.kind === "corrupt") {
      log.error({ subject, ...context, error: error.cause ?? error }, "a request met a bug");
    }
    respondError(message, error);
  }
}

function respondError(message: Msg, error: unknown): void {
  message.respond(toStatusBytes(error), { headers: errorHeaders() });
}

function errorHeaders(): MsgHdrs {
  const marked = headers();
  marked.set(ANSWER_HEADER, IS_ERROR);
  return marked;
}
