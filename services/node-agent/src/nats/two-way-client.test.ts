/** W1 to W3 over two ways that fail as they are told, on virtual time. */
import {
  type ControllerClient,
  DomainError,
  type ErrorKind,
  type NodeIntroduction,
  type NodeReport,
  type ReportAnswer,
  toDomainError,
  unavailable,
} from "@innkeeper/core";
import { systemClock } from "@innkeeper/core/platform";
import { aNodeReport, FakeClock, silentLogger } from "@innkeeper/core/testing";
import {
  type ReportHandler,
  type ReportWay,
  reportChannelContract,
} from "@innkeeper/core/testing/contracts/report-channel.contract";
import { beforeEach, expect, it } from "vitest";
import { TwoWayControllerClient } from "./two-way-client.js";

const AVOID_MS = 10_000;
const REPORT = aNodeReport();

reportChannelContract("two ways in memory", async () => twoWays(["nats", "grpc"]));
reportChannelContract("two ways in memory, NATS unserved", async () => twoWays(["grpc"]));

let clock: FakeClock;
let nats: FakeWay;
let grpc: FakeWay;
let client: TwoWayControllerClient;

beforeEach(() => {
  clock = new FakeClock();
  nats = new FakeWay();
  grpc = new FakeWay();
  const parts = { nats, grpc: grpc.asClient(), clock, log: silentLogger, avoidMs: AVOID_MS };
  client = new TwoWayControllerClient(parts);
});

it("reports over NATS while it answers, and gRPC is not asked", async () => {
  await client.report(REPORT);
  await client.report(REPORT);
  expect([nats.asked, grpc.asked]).toEqual([2, 0]);
});

it("does not ask NATS while it is not connected", async () => {
  nats.isConnected = false;
  await client.report(REPORT);
  expect([nats.asked, grpc.asked]).toEqual([0, 1]);
  nats.isConnected = true;
  await client.report(REPORT);
  expect([nats.asked, grpc.asked]).toEqual([1, 1]);
});

it("asks gRPC at once when nobody serves, and NATS again with the next report (W1)", async () => {
  nats.failure = "unavailable";
  await client.report(REPORT);
  nats.failure = undefined;
  await client.report(REPORT);
  expect([nats.asked, grpc.asked]).toEqual([2, 1]);
});

it("lets a silent NATS alone for a while after it cost time (W2)", async () => {
  nats.failure = "timeout";
  for (let count = 0; count < 5; count += 1) {
    await client.report(REPORT);
    await clock.advance(AVOID_MS / 5 - 1);
  }
  expect([nats.asked, grpc.asked]).toEqual([1, 5]);
  await clock.advance(5);
  nats.failure = undefined;
  await client.report(REPORT);
  expect([nats.asked, grpc.asked]).toEqual([2, 5]);
});

it.each(["invalid", "forbidden", "internal"] as const)(
  "takes a refusal of kind %s for an answer and does not ask twice",
  async (kind) => {
    nats.failure = kind;
    await expect(client.report(REPORT)).rejects.toMatchObject({ kind });
    expect(grpc.asked).toBe(0);
  },
);

it("fails when both fail (W1)", async () => {
  nats.failure = "timeout";
  grpc.failure = "unavailable";
  await expect(client.report(REPORT)).rejects.toMatchObject({ kind: "unavailable" });
});

it("does not take the answer of a leader that was followed by another (W3)", async () => {
  grpc.leaderEpoch = 5;
  nats.isConnected = false;
  await client.report(REPORT);
  nats.isConnected = true;
  nats.leaderEpoch = 4;
  expect(await client.report(REPORT)).toMatchObject({ leaderEpoch: 5 });
  expect([nats.asked, grpc.asked]).toEqual([1, 2]);
  grpc.leaderEpoch = 4;
  await expect(client.report(REPORT)).rejects.toMatchObject({ kind: "unavailable" });
});

it("joins and reads blobs over gRPC", async () => {
  await client.join({} as NodeIntroduction);
  const chunks: Uint8Array[] = [];
  for await (const chunk of client.readBlob("a", 0)) chunks.push(chunk);
  expect(chunks).toEqual([new Uint8Array([1])]);
  client.close();
  expect(grpc.isClosed).toBe(true);
});

class FakeWay {
  isConnected = true;
  isClosed = false;
  asked = 0;
  leaderEpoch = 1;
  failure: ErrorKind | undefined;

  async report(_: NodeReport): Promise<ReportAnswer> {
    this.asked += 1;
    if (this.failure === undefined) {
      return {
        leaderEpoch: this.leaderEpoch,
        leaseTtlMs: 8_000,
        mustJoin: false,
        wantsFull: false,
        controllers: [],
      };
    }
    const detail = { kind: this.failure, reason: "TOLD_TO", message: "told to", metadata: {} };
    throw new DomainError(detail);
  }

  asClient(): ControllerClient {
    return {
      join: async () => undefined,
      report: async (report) => await this.report(report),
      findBlob: () => Promise.resolve([]),
      readBlob: async function* () {
        yield new Uint8Array([1]);
      },
      close: () => {
        this.isClosed = true;
      },
    };
  }
}

/** A client with both ways in memory; those named can be served. */
function twoWays(served: readonly ("nats" | "grpc")[]): ReportWay {
  const ways = { nats: new MemoryPair(), grpc: new MemoryPair() };
  const both = new TwoWayControllerClient({
    nats: { isConnected: true, report: async (report) => await ways.nats.report(report) },
    grpc: {
      ...new FakeWay().asClient(),
      report: async (report) => await ways.grpc.report(report),
    },
    clock: systemClock,
    log: silentLogger,
    avoidMs: 0,
  });
  return {
    report: async (report) => await both.report(report),
    serve: async (handle) => {
      const stops = served.map((way) => ways[way].serve(handle));
      return async () => {
        for (const stop of stops) await stop();
      };
    },
    close: async () => both.close(),
  };
}

class MemoryPair {
  #handle: ReportHandler | undefined;

  serve(handle: ReportHandler): () => Promise<void> {
    this.#handle = handle;
    return async () => {
      this.#handle = undefined;
    };
  }

  async report(report: NodeReport): Promise<ReportAnswer> {
    if (this.#handle === undefined) throw unavailable("leader", "nobody serves");
    try {
      return await Promise.race([this.#handle(report), tooLate()]);
    } catch (error) {
      throw toDomainError(error);
    }
  }
}

function tooLate(): Promise<never> {
  const detail = {
    kind: "timeout",
    reason: "TOO_LATE",
    message: "no answer",
    metadata: {},
  } as const;
  return new Promise((_, reject) => {
    systemClock.schedule(200, () => reject(new DomainError(detail)));
  });
}
