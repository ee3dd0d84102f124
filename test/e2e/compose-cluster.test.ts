/**
 * The cluster of docker-compose.yml, used from outside while its parts die, stand still, lose their
 * network or are restarted.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { GuestPhase, RestartCondition } from "@innkeeper/proto/innkeeper/v1/guest";
import { NodeState } from "@innkeeper/proto/innkeeper/v1/node";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { AGENT_OF, ComposeCluster, type Service } from "./compose-cluster.js";
import { engine, skipWithoutEngine } from "./engine.js";
import type { Guests } from "./guests.js";
import { Load } from "./load.js";

const PATIENCE = { timeout: 60_000, interval: 100 };
const UP_MS_MAX = 60_000;
const { LOST, RUNNING, FAILED } = GuestPhase;

let cluster: ComposeCluster;
let guests: Guests;

beforeAll(async () => {
  if (engine === undefined) return;
  cluster = await ComposeCluster.up(engine);
  await cluster.importTiny();
});

beforeEach((context) => {
  skipWithoutEngine(context);
  guests = cluster.guests();
});

afterEach(async () => {
  if (engine !== undefined) await guests.removeAll();
});

afterAll(async () => {
  await cluster?.down();
});

function agentOf(nodeId: string): Service {
  return AGENT_OF[nodeId] ?? "agent-1";
}

async function kill9AndStart(service: Service): Promise<void> {
  const container = await cluster.container(service);
  await container.kill();
  await container.start();
  await container.untilHealthy();
}

it("is up, with three nodes that serve from outside, in less than a minute", () => {
  expect(cluster.upMs).toBeLessThan(UP_MS_MAX);
});

it("runs no service as root", async () => {
  const services = ["controller-1", "controller-2", "agent-1", "agent-2", "agent-3"] as const;
  for (const service of services) {
    const container = await cluster.container(service);
    expect(await container.node("process.getuid()")).toBe("10001");
  }
});

it("shows each step of a guest to who watches, on the other controller too", async () => {
  const [, second = ""] = cluster.endpoints;
  const abort = new AbortController();
  const phases: string[] = [];
  const watched = cluster.client(second).guests;
  const all = { projectId: "", pageSize: 0, pageToken: "", minRevision: 0 };
  const { revision: fromRevision } = await watched.listGuests(all);
  const watching = (async () => {
    const changes = watched.watchGuests({ projectId: "", fromRevision }, abort.signal);
    for await (const { guest, deletedGuest } of changes) {
      if (guest?.id === "watched") phases.push(guest.status?.phase ?? "none");
      if (deletedGuest === "default/watched") return "gone";
    }
    return "ended";
  })();
  await guests.create("watched");
  expect(await guests.ids()).toContain("watched");
  await guests.untilBeatsOn("watched");
  await guests.removeAll();
  expect(await watching).toBe("gone");
  abort.abort();
  expect(phases[0]).toBe(GuestPhase.PENDING);
  expect(phases).toContain(RUNNING);
  expect(phases.at(-1)).toBe(GuestPhase.DELETING);
});

it("goes on when the controller that leads is killed, and takes it back", async () => {
  const before = await guests.create("before");
  const leader = await cluster.leader();
  const container = await cluster.container(leader);
  await container.kill();
  await guests.create("meanwhile");
  const kept = await guests.get("before");
  expect(kept.status?.startTime).toEqual(before.status?.startTime);
  expect(await cluster.leader()).not.toBe(leader);
  await container.start();
  await container.untilHealthy();
  const [endpoint = ""] = cluster.endpoints.filter((_, index) => leader.endsWith(`${index + 1}`));
  const own = cluster.guests(cluster.client(endpoint));
  await vi.waitFor(async () => expect(await own.ids()).toContain("meanwhile"), PATIENCE);
});

it("knows the guests of a killed agent as lost, and runs them again as they ask", async () => {
  await guests.create("again", { nodeId: "n1" });
  await guests.create("never", { nodeId: "n1", restart: RestartCondition.NEVER });
  const agent = await cluster.container(agentOf("n1"));
  await agent.kill();
  await cluster.untilNode("n1", NodeState.UNREACHABLE);
  await guests.until("again", LOST);
  await guests.create("elsewhere");
  expect((await guests.get("elsewhere")).status?.placement?.nodeId).not.toBe("n1");
  await agent.start();
  await cluster.untilNode("n1", NodeState.READY);
  const again = await guests.until("again", RUNNING);
  expect(again.status?.restartCount).toBe(1);
  await guests.untilBeatsOn("again");
  const never = await guests.until("never", FAILED);
  expect(never.status?.message).toMatch(/ended while no agent was watching/);
});

it("starts an agent's container again when its process ends", async () => {
  await guests.create("kept", { nodeId: "n2" });
  const agent = await cluster.container(agentOf("n2"));
  await agent.node("process.kill(1, 'SIGTERM')");
  await vi.waitFor(async () => {
    expect(await agent.inspect()).toMatchObject({ RestartCount: 1, State: { Running: true } });
  }, PATIENCE);
  await agent.untilHealthy();
  await vi.waitFor(async () => {
    const { status } = await guests.get("kept");
    expect([status?.phase, status?.restartCount]).toEqual([RUNNING, 1]);
  }, PATIENCE);
});

it("takes back an agent that stood still, with its guests where they were", async () => {
  await guests.create("still", { nodeId: "n2" });
  const beat = await guests.untilBeatsOn("still");
  const agent = await cluster.container(agentOf("n2"));
  await agent.pause();
  await cluster.untilNode("n2", NodeState.UNREACHABLE);
  await guests.until("still", LOST);
  await agent.unpause();
  await cluster.untilNode("n2", NodeState.READY);
  expect((await guests.until("still", RUNNING)).status?.restartCount).toBe(0);
  await guests.untilBeatsOn("still", beat);
});

it("takes back an agent that lost its network, with its guests still running", async () => {
  await guests.create("alone", { nodeId: "n3" });
  const beat = await guests.untilBeatsOn("alone");
  const agent = await cluster.container(agentOf("n3"));
  const connect = await agent.disconnect();
  await cluster.untilNode("n3", NodeState.UNREACHABLE);
  await connect();
  await cluster.untilNode("n3", NodeState.READY);
  expect((await guests.until("alone", RUNNING)).status?.restartCount).toBe(0);
  await guests.untilBeatsOn("alone", beat);
});

it("keeps what was acknowledged when Redis is killed, and works on", async () => {
  const names = Array.from({ length: 5 }, (_, index) => `asked-${index}`);
  await Promise.all(names.map((name) => guests.request(name)));
  await kill9AndStart("redis");
  for (const name of names) await guests.until(name, RUNNING);
  await guests.create("afterwards");
});

it("works without NATS, and with it again", async () => {
  const nats = await cluster.container("nats");
  await nats.kill();
  await guests.create("without");
  await nats.start();
  await nats.untilHealthy();
  await guests.create("with");
});

it("fails no request while everything is restarted, one after the other", async () => {
  await guests.create("target");
  const load = new Load(cluster.client(), "target");
  const services: readonly Service[] = [
    ...(["controller-1", "controller-2", "agent-1", "agent-2", "agent-3"] as const),
    ...(["nats", "redis"] as const),
  ];
  try {
    for (const service of services) {
      const container = await cluster.container(service);
      const before = load.requests;
      await container.restart();
      await container.untilHealthy();
      await vi.waitFor(() => expect(load.requests).toBeGreaterThan(before + 3), PATIENCE);
    }
  } finally {
    await load.end();
  }
  expect(load.failures).toEqual([]);
  expect(load.requests).toBeGreaterThan(100);
  await guests.until("target", RUNNING);
});

it("is a cluster that the demo runs on, and leaves as it was", async () => {
  const [endpoint = ""] = cluster.endpoints;
  await guests.create("bystander");
  const images = async () =>
    (await guests.client.images.listImages({ pageSize: 0, pageToken: "" })).images.map(
      ({ id }) => id,
    );
  const imagesBefore = await images();
  const inn = fileURLToPath(new URL("../../dist/inn.js", import.meta.url));
  const child = spawn(process.execPath, [inn, "--endpoint", endpoint, "demo", "--json"]);
  let told = "";
  child.stdout.on("data", (bytes: Buffer) => {
    told += bytes.toString();
  });
  const [code] = (await once(child, "close")) as [number];
  expect([code, told]).toEqual([0, expect.stringContaining("left out")]);
  const figures = JSON.parse(told.trimEnd().split("\n").at(-1) ?? "{}") as { ok?: boolean };
  expect(figures).toMatchObject({ ok: true, guestsDeleted: 5 });
  expect(await guests.ids()).toEqual(["bystander"]);
  expect(await images()).toEqual(imagesBefore);
});
