/**
 * Whatever bytes reach any RPC, public or private: no crash, no INTERNAL, no UNKNOWN; the cluster
 * works on and nothing malformed is kept, in the store or on the disk.
 */
import { readdirSync } from "node:fs";
import { status } from "@grpc/grpc-js";
import { isName, isUuid } from "@innkeeper/core";
import { Prng } from "@innkeeper/core/testing";
import { Guest, GuestPhase } from "@innkeeper/proto/innkeeper/v1/guest";
import { Project } from "@innkeeper/proto/innkeeper/v1/project";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { allRpcs, HostileMessages, type Rpc } from "./hostile-messages.js";
import { InProcessCluster } from "./in-process-cluster.js";
import { RawCalls } from "./raw-calls.js";

const SEED = 20_261_124;
const CALLS = 40;
const AT_ONCE = 40;
/** Longer texts than this are cut or refused. */
const TEXT_LENGTH_MAX = 2_500;
const NEVER = [status.INTERNAL, status.UNKNOWN, status.UNIMPLEMENTED, status.DATA_LOSS];
/** A project that no hostile message knows of. */
const CALM = "calm";
const UUID = "00000000-0000-4000-8000-000000000001";

let cluster: InProcessCluster;
let known: string[];

beforeAll(async () => {
  cluster = new InProcessCluster();
  await cluster.startController();
  await cluster.startAgent("n1");
  await cluster.importTiny();
  const project = Project.fromPartial({ id: CALM });
  await cluster.client.projects.createProject({ project, requestId: "" });
  const { operation } = await create(CALM, "calm");
  known = ["g1", "g2", "tiny", "default", "p1", "n2", "", UUID, operation?.id ?? ""];
  await create("", "g1");
});

afterAll(async () => {
  await cluster.dispose();
});

/** Creates a guest on the first node and waits until it runs. */
async function create(projectId: string, id: string) {
  const resources = { cpuMillis: 100, memoryMib: 32, diskMib: 0 };
  const spec = { imageId: "tiny", nodeId: "n1", resources };
  const guest = Guest.fromPartial({ id, projectId, spec });
  const { operation } = await cluster.client.guests.createGuest({ guest, requestId: "" });
  const operationId = operation?.id ?? "";
  const waited = await cluster.client.operations.waitOperation({ operationId, timeout: undefined });
  expect(waited.operation).toMatchObject({ done: true, state: "OPERATION_STATE_SUCCEEDED" });
  return waited;
}

const RPCS = allRpcs();

/** Calls each of these with messages drawn from one seed. @returns what must never happen. */
async function throwAt(address: string, rpcs: readonly Rpc[], seed: number): Promise<string[]> {
  const prng = new Prng(seed);
  const messages = new HostileMessages(prng, known);
  const calls = new RawCalls(address);
  const bad: string[] = [];
  for (let done = 0; done < CALLS * rpcs.length; done += AT_ONCE) {
    const batch = Array.from({ length: AT_ONCE }, async () => {
      const rpc = prng.pick(rpcs);
      const count = rpc.isRequestStream ? prng.integer(0, 4) : 1;
      const requests = Array.from({ length: count }, () => messages.encode(rpc.request));
      const { code, message } = await calls.call(rpc, requests, prng.chance(0.3));
      if (NEVER.includes(code)) bad.push(`${rpc.path}: ${status[code]}: ${message}`);
    });
    await Promise.all(batch);
  }
  calls.close();
  return bad;
}

const isAgents = ({ path }: Rpc): boolean => path.includes(".AgentService/");

describe("hostile messages", () => {
  it("know every RPC of every service", () => {
    expect(RPCS.length).toBeGreaterThan(35);
    expect(RPCS.filter(isAgents)).toHaveLength(6);
  });

  it("to the controller are refused or done, and nothing breaks", async () => {
    const rpcs = RPCS.filter((rpc) => !isAgents(rpc));
    expect(await throwAt(cluster.controller.address, rpcs, SEED)).toEqual([]);
    expect(cluster.errors).toEqual([]);
  });

  it("to an agent are refused or done, and nothing breaks", async () => {
    const agent = await cluster.startAgent("n3");
    expect(await throwAt(agent.address, RPCS.filter(isAgents), SEED + 1)).toEqual([]);
    expect(cluster.errors).toEqual([]);
  });

  it("leave a cluster that works", async () => {
    await create(CALM, "after");
    const request = { projectId: CALM, guestId: "after", requestId: "" };
    const { operation } = await cluster.client.guests.deleteGuest(request);
    const operationId = operation?.id ?? "";
    const waiting = { operationId, timeout: undefined };
    const waited = await cluster.client.operations.waitOperation(waiting);
    expect(waited.operation?.state).toBe("OPERATION_STATE_SUCCEEDED");
  });

  it("leave nothing malformed in the store, which loads again", async () => {
    const { records } = await cluster.controller.controller.store.snapshot();
    expect(records.length).toBeGreaterThan(5);
    for (const { key, value } of records) {
      const [, ...ids] = key.split("/");
      expect(ids.every((id) => isName(id) || isUuid(id))).toBe(true);
      for (const text of textsIn(value)) {
        expect(text.length, `${key}: ${text.slice(0, 80)}`).toBeLessThan(TEXT_LENGTH_MAX);
        expect(text, key).not.toMatch(/\p{Cc}/u);
      }
    }
    await cluster.stopController();
    await cluster.startController();
    const page = { projectId: CALM, pageSize: 1000, pageToken: "", minRevision: 0 };
    const { guests } = await cluster.client.guests.listGuests(page);
    expect(guests.find(({ id }) => id === "calm")?.status?.phase).toBe(GuestPhase.RUNNING);
  });

  it("leave no odd name on the disk", () => {
    const names = readdirSync(cluster.directory, { recursive: true, encoding: "utf8" });
    expect(names.length).toBeGreaterThan(5);
    for (const name of names) expect(name).toMatch(/^[A-Za-z0-9._/-]+$/);
  });
});

/** Every text in a record, keys of maps too. */
function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) => [key, ...textsIn(each)]);
}
