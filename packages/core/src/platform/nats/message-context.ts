/**
 * What travels with a message for logs and traces: in NATS headers and in gRPC metadata under the
 * same names, through whatever carries text by name. It never decides anything, so what is
 * malformed is left out.
 */
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
