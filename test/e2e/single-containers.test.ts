/** The images by themselves: one controller on the embedded store, one agent, no compose file. */

import { fileURLToPath } from "node:url";
import {
  createClient,
  type InnkeeperClient,
  importImage,
  readImageSource,
} from "@innkeeper/client";
import { GenericContainer, Network, type StartedNetwork, Wait } from "testcontainers";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { ContainerControl } from "./containers.js";
import { engine, skipWithoutEngine } from "./engine.js";
import { freePort } from "./free-port.js";
import { Guests } from "./guests.js";

const TINY = fileURLToPath(new URL("../../images/build/tiny/image.json", import.meta.url));
const PATIENCE = { timeout: 60_000, interval: 100 };

let network: StartedNetwork;
let controller: ContainerControl;
let agent: ContainerControl;
let client: InnkeeperClient;
let guests: Guests;

beforeAll(async () => {
  if (engine === undefined) return;
  network = await new Network().start();
  const port = await freePort();
  const image = (variable: string): string => engine?.environment[variable] ?? "";
  controller = await run(
    new GenericContainer(image("INN_CONTROLLER_IMAGE"))
      .withNetworkAliases("controller")
      .withExposedPorts({ container: 7400, host: port })
      .withEnvironment({ INN_LISTEN: "0.0.0.0:7400", INN_ADVERTISE: "controller:7400" }),
  );
  agent = await run(
    new GenericContainer(image("INN_AGENT_IMAGE")).withNetworkAliases("agent").withEnvironment({
      INN_LISTEN: "0.0.0.0:7410",
      INN_ADVERTISE: "agent:7410",
      INN_CONTROLLER: "controller:7400",
      INN_MEMORY_MIB: "1024",
      INN_RESERVE_MEMORY_MIB: "256",
    }),
  );
  client = createClient(`127.0.0.1:${port}`);
  guests = new Guests(client);
  await vi.waitFor(async () => {
    expect(await client.cluster.getCluster({})).toMatchObject({ nodesReady: 1 });
  }, PATIENCE);
  await importImage(client, await readImageSource(TINY));
});

beforeEach((context) => skipWithoutEngine(context));

afterEach(async () => {
  if (engine !== undefined) await guests.removeAll();
});

afterAll(async () => {
  client?.close();
  await agent?.remove();
  await controller?.remove();
  await network?.stop();
});

async function run(container: GenericContainer): Promise<ContainerControl> {
  const waiting = container.withNetwork(network).withWaitStrategy(Wait.forHealthCheck());
  return await ContainerControl.of((await waiting.start()).getId());
}

it("keeps guests and running copies when the only controller is killed", async () => {
  const before = await guests.create("kept");
  const beat = await guests.untilBeatsOn("kept");
  await controller.kill();
  await controller.start();
  await controller.untilHealthy();
  await guests.untilBeatsOn("kept", beat);
  const after = await guests.get("kept");
  expect(after.uid).toBe(before.uid);
  expect(after.status?.startTime).toEqual(before.status?.startTime);
  expect(after.status?.restartCount).toBe(0);
});

it("runs a guest again that died with the container of its agent", async () => {
  await guests.create("again");
  await agent.kill();
  await agent.start();
  await vi.waitFor(async () => {
    expect((await guests.get("again")).status).toMatchObject({
      phase: "GUEST_PHASE_RUNNING",
      restartCount: 1,
    });
  }, PATIENCE);
  await guests.untilBeatsOn("again");
});

it("ends at once when it is asked to, without being killed", async () => {
  await agent.restart();
  await controller.restart();
  for (const each of [agent, controller]) {
    await each.untilHealthy();
    expect((await each.inspect()).State).toMatchObject({ ExitCode: 0, OOMKilled: false });
  }
});

it("holds no compiler, no npm and no shell tools to build with", async () => {
  const script =
    "['npm','npx','yarn','cc','gcc','make','python3'].filter((name) => " +
    "process.env.PATH.split(':').some((each) => require('node:fs').existsSync(each + '/' + name)))";
  expect(await controller.node(script)).toBe("[]");
  expect(await agent.node(script)).toBe("[]");
});
