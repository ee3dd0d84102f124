/**
 * What travels with a message for logs and traces: in NATS headers and in gRPC metadata under the
 * same names, through whatever carries text by name. Within a process it follows the work, so every
 * log line of a request and every call made for it carry it. It never decides anything, so what is
 * malformed is left out.
 */
import { AsyncLocalStorage } from "node:async_hooks";

export interface MessageContext {
  readonly requestId?: string;
  readonly operationId?: string;
  /** W3C trace context. */
  readonly traceparent?: string;
}

/** A `MsgHdrs` of NATS; for gRPC `{ set: (name, text) => metadata.set(name, text) }`. */
export interface ContextWriter {
  set(name: string, value: string): void;
}

/** For gRPC `{ get: (name) => String(metadata.get(name)[0] ?? "") }`. */
export interface ContextReader {
  get(name: string): string;
}

const NAMES = {
  requestId: "innkeeper-request-id",
  operationId: "innkeeper-operation-id",
  traceparent: "traceparent",
} as const satisfies Record<keyof MessageContext, string>;

const FIELDS = Object.keys(NAMES) as readonly (keyof MessageContext)[];
const VALUE = /^[\x21-\x7e]{1,128}$/;

export function writeContext(context: MessageContext, writer: ContextWriter): void {
  for (const field of FIELDS) {
    const value = context[field];
    if (value !== undefined && VALUE.test(value)) writer.set(NAMES[field], value);
  }
}

export function readContext(reader: ContextReader): MessageContext {
  const found = FIELDS.map((field) => [field, reader.get(NAMES[field])] as const);
  return Object.fromEntries(found.filter(([, value]) => VALUE.test(value)));
}

const present = new AsyncLocalStorage<MessageContext>();

/** Does work that belongs to this context, now and later. */
export function withContext<T>(context: MessageContext, work: () => T): T {
  return present.run(context, work);
}

/** What the work under way belongs to; empty when it belongs to nothing. */
export function presentContext(): MessageContext {
  return present.getStore() ?? {};
}
