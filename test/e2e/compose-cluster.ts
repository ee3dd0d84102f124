/** The cluster of docker-compose.yml, on ports of its own, as a user would start it. */
import { fileURLToPath } from "node:url";
import {
  createClient,
  type InnkeeperClient,
  importImage,
  readImageSource,
} from "@innkeeper/client";
import type { NodeState } from "@innkeeper/proto/innkeeper/v1/node";
import {
  DockerComposeEnvironment,
  type StartedDockerComposeEnvironment,
  Wait,
} from "testcontainers";
import { expect, vi } from "vitest";
import { ContainerControl } from "./containers.js";
import type { Engine } from "./engine.js";
import { freePort } from "./free-port.js";
import { Guests } from "./guests.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TINY = fileURLToPath(new URL("../../images/build/tiny/image.json", import.meta.url));
const PATIENCE = { timeout: 60_000, interval: 100 };

/** Shorter than the defaults, so that a lost node is noticed within seconds. */
const LEASES = { INN_LEASE_TTL_MS: "4000", INN_LEASE_MARGIN_MS: "500", INN_HEARTBEAT_MS: "1000" };

export type Service =
  | "redis"
  | "nats"
  | "controller-1"
  | "controller-2"
  | "agent-1"
  | "agent-2"
  | "agent-3";

export const AGENT_OF: Readonly<Record<string, Service>> = {
  n1: "agent-1",
  n2: "agent-2",
  n3: "agent-3",
};

interface Started {
  readonly environment: StartedDockerComposeEnvironment;
  readonly nameOf: (service: Service) => string;
  readonly upMs: number;
}

export class ComposeCluster {
  readonly #clients: InnkeeperClient[] = [];

  private constructor(
    private readonly started: Started,
    readonly endpoints: readonly string[],
  ) {}

  /** From `up` to three nodes that are ready, seen from outside. */
  get upMs(): number {
    return this.started.upMs;
  }

  static async up(engine: Engine): Promise<ComposeCluster> {
    const ports = [await freePort(), await freePort()].map(String);
    const [port1 = "", port2 = ""] = ports;
    const project = `inn-e2e-${port1}`;
    const standalone = { standalone: true, executablePath: "docker-compose" } as const;
    const startedMs = performance.now();
    const environment = await new DockerComposeEnvironment(ROOT, "docker-compose.yml")
      .withProjectName(project)
      .withClientOptions(engine.isComposePlugin ? {} : { executable: standalone })
      .withEnvironment({
        ...engine.environment,
        ...LEASES,
        INN_PORT_1: port1,
        INN_PORT_2: port2,
      })
      .withDefaultWaitStrategy(Wait.forHealthCheck())
      .up();
    const nameOf = (service: Service): string =>
      engine.isComposePlugin ? `${service}-1` : `${project}_${service}_1`;
    const endpoints = ports.map((port) => `127.0.0.1:${port}`);
    await untilNodesReady(endpoints[0] ?? "", 3);
    const upMs = performance.now() - startedMs;
    return new ComposeCluster({ environment, nameOf, upMs }, endpoints);
  }

  /** Of one controller, or of both as gRPC clients do it: a list of addresses. */
  client(endpoint = `ipv4:${this.endpoints.join(",")}`): InnkeeperClient {
    const client = createClient(endpoint);
    this.#clients.push(client);
    return client;
  }

  guests(client = this.client()): Guests {
    return new Guests(client);
  }

  async importTiny(): Promise<void> {
    await importImage(this.client(), await readImageSource(TINY));
  }

  container(service: Service): Promise<ContainerControl> {
    return ContainerControl.of(
      this.started.environment.getContainer(this.started.nameOf(service)).getId(),
    );
  }

  /** The controller that leads; one that does not answer does not. */
  async leader(): Promise<Service> {
    const clients = this.endpoints.map((endpoint) => this.client(endpoint));
    return await vi.waitFor(async () => {
      const answers = await Promise.allSettled(
        clients.map((client) => client.cluster.getCluster({})),
      );
      const leading = answers.findIndex(
        (answer) => answer.status === "fulfilled" && answer.value.leaderEpoch > 0,
      );
      if (leading < 0) throw new Error("nobody leads");
      return leading === 0 ? "controller-1" : "controller-2";
    }, PATIENCE);
  }

  async untilNode(nodeId: string, state: NodeState): Promise<void> {
    const client = this.client();
    await vi.waitFor(async () => {
      const { node } = await client.nodes.getNode({ nodeId });
      expect(node?.state).toBe(state);
    }, PATIENCE);
  }

  async down(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.started.environment.down({ removeVolumes: true, timeout: 2_000 });
  }
}

async function untilNodesReady(endpoint: string, count: number): Promise<void> {
  const client = createClient(endpoint);
  try {
    await vi.waitFor(async () => {
      expect(await client.cluster.getCluster({})).toMatchObject({ nodesReady: count });
    }, PATIENCE);
  } finally {
    client.close();
  }
}
