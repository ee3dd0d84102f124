import { Metadata } from "@grpc/grpc-js";
import { headers } from "@nats-io/transport-node";
import { expect, it } from "vitest";
import {
  type ContextReader,
  type ContextWriter,
  type MessageContext,
  readContext,
  writeContext,
} from "./message-context.js";

const FULL: MessageContext = {
  requestId: "0b5f9a9e-6a4e-4c53-9e62-1c1b9d7d6f10",
  operationId: "5d1b1f0e-98c1-4f4e-8f0e-0e3d7f7a9c11",
  traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
};

const CARRIERS: [string, () => ContextReader & ContextWriter][] = [
  ["NATS headers", () => headers()],
  ["gRPC metadata", overMetadata],
];

it.each(CARRIERS)("travels in %s, whole or in part", (_, create) => {
  for (const context of [FULL, { requestId: "r" }, {}]) {
    const carrier = create();
    writeContext(context, carrier);
    expect(readContext(carrier)).toEqual(context);
  }
});

it.each(["", "a b", "line\nbreak", "ä", "x".repeat(129)])("leaves out %j on each end", (value) => {
  const carrier = new Map<string, string>();
  writeContext({ requestId: value }, { set: (name, text) => carrier.set(name, text) });
  expect(carrier.size).toBe(0);
  expect(readContext({ get: () => value })).toEqual({});
});

function overMetadata(): ContextReader & ContextWriter {
  const metadata = new Metadata();
  return {
    get: (name) => String(metadata.get(name)[0] ?? ""),
    set: (name, value) => metadata.set(name, value),
  };
}
