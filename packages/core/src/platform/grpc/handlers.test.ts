import { credentials, Metadata, type MethodDefinition, makeClientConstructor } from "@grpc/grpc-js";
import { expect, it } from "vitest";
import { silentLogger } from "../../testing/silent-logger.js";
import { presentContext } from "../message-context.js";
import { createLogger } from "../pino-logger.js";
import { callUnary } from "./calls.js";
import { unary } from "./handlers.js";
import { createServer, listen, shutDown } from "./server.js";

interface Ask {
  readonly requestId: string;
}

const json = {
  serialize: (value: unknown) => Buffer.from(JSON.stringify(value)),
  deserialize: (bytes: Buffer) => JSON.parse(bytes.toString()) as Ask,
};

const ask: MethodDefinition<Ask, Ask> = {
  path: "/test.Echo/Ask",
  requestStream: false,
  responseStream: false,
  requestSerialize: json.serialize,
  requestDeserialize: json.deserialize,
  responseSerialize: json.serialize,
  responseDeserialize: json.deserialize,
};

const REQUEST_ID = "7f0c7b52-3a8e-4a7e-9a55-0d6a5c0b7a11";
const Client = makeClientConstructor({ ask }, "Echo");

async function serve(handle: (request: Ask) => Promise<Ask>) {
  const server = createServer();
  server.addService({ ask }, { ask: unary(silentLogger, handle) });
  const port = await listen(server, "127.0.0.1:0");
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const call = (request: Ask, metadata = new Metadata()): Promise<Ask> => {
    const method = (client["ask"] as typeof client.makeUnaryRequest).bind(client);
    return callUnary(method as unknown as Parameters<typeof callUnary<Ask, Ask>>[0], request, {
      timeoutMs: 5_000,
      metadata,
    });
  };
  return {
    call,
    close: async () => {
      client.close();
      await shutDown(server, 1_000);
    },
  };
}

it("a request's id follows the work into its logs and into the calls made for it", async () => {
  const lines: string[] = [];
  const log = createLogger({ level: "info", destination: { write: (line) => lines.push(line) } });
  const second = await serve(async () => {
    log.info({}, "second");
    return { requestId: presentContext().requestId ?? "" };
  });
  const first = await serve(async () => {
    log.info({}, "first");
    return await second.call({ requestId: "" });
  });
  expect(await first.call({ requestId: REQUEST_ID })).toEqual({ requestId: REQUEST_ID });
  const logged = lines.map((line) => JSON.parse(line) as { msg: string; requestId?: string });
  expect(logged).toEqual([
    expect.objectContaining({ msg: "first", requestId: REQUEST_ID }),
    expect.objectContaining({ msg: "second", requestId: REQUEST_ID }),
  ]);
  log.info({}, "outside");
  expect(JSON.parse(lines.at(-1) ?? "")).not.toHaveProperty("requestId");
  await first.close();
  await second.close();
});

it("takes an id that comes beside the request, and nothing that is malformed", async () => {
  const server = await serve(async () => ({ requestId: presentContext().requestId ?? "none" }));
  const beside = new Metadata();
  beside.set("innkeeper-request-id", "abc-1");
  expect(await server.call({ requestId: "" }, beside)).toEqual({ requestId: "abc-1" });
  expect(await server.call({ requestId: "" })).toEqual({ requestId: "none" });
  await server.close();
});
