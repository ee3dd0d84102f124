import { credentials, type Server } from "@grpc/grpc-js";
import { type Operation, recordKey, type StateStore } from "@innkeeper/core";
import { callStream, createServer, listen, shutDown, tolerant } from "@innkeeper/core/platform";
import { anOperation, aTransaction, silentLogger } from "@innkeeper/core/testing";
import {
  OperationServiceClient,
  OperationServiceService,
} from "@innkeeper/proto/innkeeper/v1/operation_service";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Controller } from "../controller.js";
import { aBench, type CommandBench } from "../testing/command-bench.js";
import { operationService } from "./operation-service.js";

const RUNNING = anOperation({ state: "running", message: "waits" });

const SILENT_MS_MAX = 5_000;

let bench: CommandBench;
let server: Server;
let client: OperationServiceClient;
/** How often a watcher is still told that it is too late. */
let compactions: number;

beforeEach(async () => {
  bench = await aBench({ operations: [RUNNING] });
  compactions = 0;
  const { mirror, clock } = bench;
  const parts = { mirror, clock, store: forgetful(bench.store), log: silentLogger };
  const controller = { ...parts, config: { mirrorWaitMs: 1000 } } as unknown as Controller;
  server = createServer();
  server.addService(tolerant(OperationServiceService), operationService(controller));
  const address = `127.0.0.1:${await listen(server, "127.0.0.1:0")}`;
  client = new OperationServiceClient(address, credentials.createInsecure());
});

afterEach(async () => {
  client.close();
  await shutDown(server, 0);
  await bench.close();
});

/** A store whose change log was cut while the watcher was away, before it tells of anything. */
function forgetful(store: StateStore): Pick<StateStore, "changes" | "oldestRevision"> {
  return {
    oldestRevision: () => store.oldestRevision(),
    changes: async function* (after, signal) {
      if (compactions > 0) {
        compactions -= 1;
        await store.commit(aTransaction({ puts: [put({ message: `cut ${compactions}` })] }));
        yield "compacted";
        return;
      }
      yield* store.changes(after, signal);
    },
  };
}

function put(change: Partial<Operation>) {
  return { key: recordKey("operation", RUNNING.id), value: { ...RUNNING, ...change } };
}

/** Every message until the stream ends; the operation ends as soon as all cuts are over. */
async function messages(operationId = RUNNING.id): Promise<string[]> {
  const watch = client.watchOperation.bind(client);
  const seen: string[] = [];
  for await (const { operation } of callStream(watch, { operationId }, { idleMs: SILENT_MS_MAX })) {
    seen.push(operation?.message ?? "");
    if (operation?.done !== true && compactions === 0) await finish();
  }
  return seen;
}

async function finish(): Promise<void> {
  await bench.store.commit(aTransaction({ puts: [put({ state: "succeeded", message: "done" })] }));
}

describe("watching an operation", () => {
  it("tells it as it is, each change, and ends with it", async () => {
    expect(await messages()).toEqual(["waits", "done"]);
  });

  it("reads it anew when changes are no longer kept, and goes on to its end", async () => {
    compactions = 2;
    const seen = await messages();
    expect([seen[0], seen.at(-1)]).toEqual(["waits", "done"]);
    expect(seen).toContain("cut 0");
  });

  it("of which nothing is known is NOT_FOUND", async () => {
    const nobody = "00000000-0000-4000-8000-0000000000ff";
    await expect(messages(nobody)).rejects.toMatchObject({ reason: "OPERATION_NOT_FOUND" });
  });
});
