/**
 * Reports over a real nats-server and over gRPC: the contract of each way, and both together while
 * NATS is stopped for a minute, or frozen for INN_TEST_OUTAGE_MS, under load.
 */
import type { NodeReport, ReportAnswer } from "@innkeeper/core";
import { createServer, listen, shutDown, systemClock, tolerant } from "@innkeeper/core/platform";
import { nodeReportSubject, request } from "@innkeeper/core/platform/nats";
import { aNodeReport, silentLogger } from "@innkeeper/core/testing";
import {
  type ReportHandler,
  reportChannelContract,
} from "@innkeeper/core/testing/contracts/report-channel.contract";
import { nodeReportToProto } from "@innkeeper/core/wire";
import {
  RegistryServiceService,
  ReportNodeRequest,
} from "@innkeeper/proto/innkeeper/agent/v1/registry_service";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { registryService } from "../../services/controller/src/api/registry-service.js";
import { serveReports } from "../../services/controller/src/api/report-subject.js";
import type { Controller } from "../../services/controller/src/controller.js";
import { GrpcControllerClient } from "../../services/node-agent/src/api/grpc-controller-client.js";
import { NatsReportChannel } from "../../services/node-agent/src/nats/nats-report-channel.js";
import { TwoWayControllerClient } from "../../services/node-agent/src/nats/two-way-client.js";
import { freePort, NatsServer } from "./nats-server.js";
import { outageMs, passed } from "./outage.js";
import { connectedLink, RelayBench } from "./relay-bench.js";

const TIMEOUT_MS = 500;
const MINUTE_MS = 60_000;
const AVOID_MS = 1_000;
const WITHIN = { timeout: 20_000, interval: 20 };
const ANSWER: ReportAnswer = {
  leaderEpoch: 1,
  leaseTtlMs: 8_000,
  mustJoin: false,
  wantsFull: false,
  controllers: [],
};
const INCARNATION = "0b5f9a9e-6a4e-4c53-9e62-1c1b9d7d6f10";

let server: NatsServer;

beforeAll(async () => {
  server = await NatsServer.start();
});

afterAll(async () => await server.end());

reportChannelContract("NATS", async () => {
  const [link, leaderLink] = [await connectedLink(server), await connectedLink(server)];
  const channel = new NatsReportChannel(link, TIMEOUT_MS);
  const stops: (() => void)[] = [];
  return {
    report: async (report) => await channel.report(report),
    serve: async (handle) => {
      const stop = serveReports(leaderLink, aController(handle));
      stops.push(stop);
      await leaderLink.connection.flush();
      return async () => {
        stop();
        await leaderLink.connection.flush();
      };
    },
    close: async () => {
      for (const stop of stops) stop();
      await Promise.all([link.close(), leaderLink.close()]);
    },
  };
});

reportChannelContract("gRPC", async () => {
  const address = `127.0.0.1:${await freePort()}`;
  const client = new GrpcControllerClient([address], TIMEOUT_MS);
  const stops: (() => Promise<void>)[] = [];
  return {
    report: async (report) => await client.report(report),
    serve: async (handle) => {
      const stop = await serveGrpc(handle, address);
      stops.push(stop);
      return stop;
    },
    close: async () => {
      client.close();
      for (const stop of stops) await stop();
    },
  };
});

describe("who may report", () => {
  it("refuses a report that came on the subject of another node", async () => {
    const link = await connectedLink(server);
    const stop = serveReports(
      link,
      aController(async () => ANSWER),
    );
    const proto = nodeReportToProto(aReport("n2", 1));
    const data = ReportNodeRequest.encode(proto).finish();
    const send = async (nodeId: string) =>
      await request(link, { subject: nodeReportSubject(nodeId), data, context: {} }, 2_000);
    await expect(send("n1")).rejects.toMatchObject({ kind: "forbidden" });
    await send("n2");
    stop();
  });

  it.each([
    ["bytes that are no report", Buffer.from("ffffffffffffffffff", "hex")],
    ["a report without a sequence", ReportNodeRequest.encode(reportWithout()).finish()],
  ])("refuses %s as invalid", async (_, data) => {
    const link = await connectedLink(server);
    const stop = serveReports(
      link,
      aController(async () => ANSWER),
    );
    const sent = request(link, { subject: nodeReportSubject("n1"), data, context: {} }, 2_000);
    await expect(sent).rejects.toMatchObject({ kind: "invalid" });
    stop();
  });
});

describe("two ways", () => {
  let cluster: ReportingCluster;
  let bench: RelayBench;

  beforeEach(async () => {
    bench = new RelayBench(server);
    await bench.startRelay();
    cluster = await ReportingCluster.start(server, 20);
    await vi.waitFor(() => expect(cluster.countBy("nats")).toBeGreaterThan(100), WITHIN);
    expect(cluster.countBy("grpc")).toBe(0);
  });

  afterEach(async () => {
    await bench.stop();
    await cluster.stop();
  });

  it("goes on over gRPC for a minute without NATS under load, then over NATS", async () => {
    await bench.underLoad(async () => {
      await server.stop();
      await passed(MINUTE_MS);
      expect(cluster.countBy("grpc")).toBeGreaterThan(100);
      await server.run();
    });
    await cluster.expectOnlyNats();
    await bench.expectAllTold();
    await cluster.expectNothingLost();
    expect(cluster.slowestMs).toBeLessThan(4 * TIMEOUT_MS);
  });

  it("falls back within the time-out when NATS is silent but not gone", async () => {
    await bench.underLoad(async () => {
      server.freeze();
      await passed(outageMs());
      expect(cluster.countBy("grpc")).toBeGreaterThan(100);
      server.thaw();
    });
    await cluster.expectOnlyNats();
    await bench.expectAllTold();
    await cluster.expectNothingLost();
    expect(cluster.slowestMs).toBeGreaterThan(TIMEOUT_MS / 2);
    expect(cluster.slowestMs).toBeLessThan(4 * TIMEOUT_MS);
  });

  it("goes on over gRPC when the leader does not serve NATS, without losing time", async () => {
    cluster.stopServingNats();
    const before = cluster.countBy("grpc");
    await vi.waitFor(() => expect(cluster.countBy("grpc")).toBeGreaterThan(before + 200), WITHIN);
    await cluster.expectNothingLost();
    expect(cluster.slowestMs).toBeLessThan(TIMEOUT_MS);
  });
});

/** Agents that report all the time to one leader, which both ways reach. */
class ReportingCluster {
  slowestMs = 0;
  readonly #counts = { nats: 0, grpc: 0 };
  /** The newest report that the leader has of each node. */
  readonly #taken = new Map<string, number>();
  /** The newest report of each node that was answered. */
  readonly #answered = new Map<string, number>();
  readonly #failures: unknown[] = [];
  readonly #agents: Promise<void>[] = [];
  readonly #stops: (() => void | Promise<void>)[] = [];
  #isOver = false;
  stopServingNats: () => void = () => undefined;

  static async start(natsServer: NatsServer, agents: number): Promise<ReportingCluster> {
    const cluster = new ReportingCluster();
    const address = `127.0.0.1:${await freePort()}`;
    const leaderLink = await connectedLink(natsServer);
    const controller = aController(cluster.#handler("nats"));
    cluster.stopServingNats = serveReports(leaderLink, controller);
    const stopGrpc = await serveGrpc(cluster.#handler("grpc"), address);
    cluster.#stops.push(
      () => cluster.stopServingNats(),
      stopGrpc,
      () => leaderLink.close(),
    );
    await leaderLink.connection.flush();
    for (let index = 0; index < agents; index += 1) {
      const link = await connectedLink(natsServer);
      const client = new TwoWayControllerClient({
        nats: new NatsReportChannel(link, TIMEOUT_MS),
        grpc: new GrpcControllerClient([address], 2_000),
        clock: systemClock,
        log: silentLogger,
        avoidMs: AVOID_MS,
      });
      cluster.#agents.push(cluster.#run(`n-${index}`, client));
      cluster.#stops.push(
        () => client.close(),
        () => link.close(),
      );
    }
    return cluster;
  }

  countBy(way: "nats" | "grpc"): number {
    return this.#counts[way];
  }

  /** All agents have come back to NATS. */
  async expectOnlyNats(): Promise<void> {
    const attempt = async () => {
      const before = { ...this.#counts };
      await vi.waitFor(() => expect(this.#counts.nats).toBeGreaterThan(before.nats + 200), WITHIN);
      expect(this.#counts.grpc).toBe(before.grpc);
    };
    await vi.waitFor(attempt, { ...WITHIN, timeout: 30_000 });
  }

  async expectNothingLost(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#agents);
    expect(this.#failures).toEqual([]);
    for (const [nodeId, sequence] of this.#answered) {
      expect(this.#taken.get(nodeId)).toBe(sequence);
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#agents);
    for (const stop of this.#stops) await stop();
  }

  #handler(way: "nats" | "grpc"): ReportHandler {
    return async ({ nodeId, sequence }) => {
      this.#counts[way] += 1;
      // What arrives late, when NATS thaws, is not newer than what is known.
      this.#taken.set(nodeId, Math.max(this.#taken.get(nodeId) ?? 0, sequence));
      return ANSWER;
    };
  }

  async #run(nodeId: string, client: TwoWayControllerClient): Promise<void> {
    for (let sequence = 1; !this.#isOver; sequence += 1) {
      const startMs = systemClock.monotonicMs();
      try {
        await client.report(aReport(nodeId, sequence));
        this.#answered.set(nodeId, sequence);
      } catch (error) {
        this.#failures.push(error);
      }
      this.slowestMs = Math.max(this.slowestMs, systemClock.monotonicMs() - startMs);
      await passed(20);
    }
  }
}

async function serveGrpc(handle: ReportHandler, address: string): Promise<() => Promise<void>> {
  const grpcServer = createServer();
  const service = registryService(aController(handle), undefined);
  grpcServer.addService(tolerant(RegistryServiceService), service);
  await listen(grpcServer, address);
  return async () => await shutDown(grpcServer, 100);
}

/** As much of a controller as reports need. */
function aController(report: ReportHandler): Controller {
  const parts: Pick<Controller, "log" | "leaderEpoch" | "report"> = {
    log: silentLogger,
    leaderEpoch: 1,
    report,
  };
  return parts as Controller;
}

function aReport(nodeId: string, sequence: number): NodeReport {
  return aNodeReport({ nodeId, incarnation: INCARNATION, sequence });
}

function reportWithout(): ReportNodeRequest {
  return { ...nodeReportToProto(aReport("n1", 1)), sequence: 0 };
}
