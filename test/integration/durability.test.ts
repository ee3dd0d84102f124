/**
 * What a controller has acknowledged survives `kill -9`: operations end, watches go on from a
 * revision without a gap. Real processes, simulated guests.
 */
import { fileURLToPath } from "node:url";
import { createClient, type InnkeeperClient } from "@innkeeper/client";
import type { Event } from "@innkeeper/proto/innkeeper/v1/event";
import { Guest } from "@innkeeper/proto/innkeeper/v1/guest";
import { Project } from "@innkeeper/proto/innkeeper/v1/project";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { PATIENCE, Programs, type Started } from "./programs.js";

const TINY = fileURLToPath(new URL("../../images/build/tiny/image.json", import.meta.url));
const CREATES = 60;
const KILL_AFTER = 20;
const CHANGES_KEPT = 100;
const WATCH_MS_MAX = 20_000;

let programs: Programs;
let controller: Started;
let client: InnkeeperClient;

beforeEach(async () => {
  programs = new Programs();
  controller = await programs.controller({ INN_CHANGES_KEPT: "100000" });
  client = createClient(controller.address);
  await programs.agent("n1", controller.address);
  await programs.agent("n2", controller.address);
  expect((await programs.inn(controller.address, "image", "import", TINY)).code).toBe(0);
});

afterEach(async () => {
  client.close();
  await programs.dispose();
});

/** `kill -9`, then another process on the same data and address. */
async function restart(env: Readonly<Record<string, string>> = {}): Promise<void> {
  await programs.kill(controller);
  client.close();
  controller = await programs.controller({ INN_LISTEN: controller.address, ...env });
  client = createClient(controller.address);
}

async function create(id: string): Promise<string> {
  const resources = { cpuMillis: 100, memoryMib: 32, diskMib: 0 };
  const guest = Guest.fromPartial({ id, spec: { imageId: "tiny", resources } });
  const { operation } = await client.guests.createGuest({ guest, requestId: "" });
  return operation?.id ?? "";
}

async function ended(operationId: string): Promise<string> {
  return await vi.waitFor(async () => {
    const request = { operationId, timeout: undefined };
    const { operation } = await client.operations.waitOperation(request);
    expect(operation?.done).toBe(true);
    return operation?.state ?? "";
  }, PATIENCE);
}

async function relabel(id: string, value: string): Promise<void> {
  const guest = Guest.fromPartial({ id, labels: { seen: value } });
  await client.guests.updateGuest({ guest, updateMask: ["labels"], requestId: "" });
}

/** Events after the revision, as a list and as a stream tell them, until this message. */
async function eventsBothWays(afterRevision: number, until: string) {
  const told: Event[] = [];
  const abort = AbortSignal.timeout(WATCH_MS_MAX);
  for await (const { event } of client.events.watchEvents({ afterRevision }, abort)) {
    if (event === undefined) continue;
    told.push(event);
    if (event.message.includes(until)) break;
  }
  const { events } = await client.events.listEvents({ afterRevision, pageSize: 1000 });
  return { told, listed: events.slice(0, told.length) };
}

describe("kill -9 of the controller", () => {
  it("loses no acknowledged operation, and each one ends", async () => {
    const acknowledged: string[] = [];
    const lost: unknown[] = [];
    const enough = new Promise<void>((resolve) => {
      for (let number = 0; number < CREATES; number += 1) {
        create(`g${number}`).then(
          (id) => {
            acknowledged.push(id);
            if (acknowledged.length === KILL_AFTER) resolve();
          },
          (error: unknown) => lost.push(error),
        );
      }
    });
    await enough;
    await restart();
    const kept = acknowledged.slice();
    expect(kept.length).toBeGreaterThanOrEqual(KILL_AFTER);
    expect(new Set(await Promise.all(kept.map((id) => ended(id))))).toEqual(
      new Set(["OPERATION_STATE_SUCCEEDED"]),
    );
  });

  it("leaves watches of guests and events that go on from a revision without a gap", async () => {
    await ended(await create("w"));
    const page = { projectId: "", pageSize: 0, pageToken: "", minRevision: 0 };
    const { revision } = await client.guests.listGuests(page);
    await relabel("w", "one");
    await restart();
    await relabel("w", "two");
    await relabel("w", "three");
    const seen: string[] = [];
    const abort = AbortSignal.timeout(WATCH_MS_MAX);
    const watching = { projectId: "", fromRevision: revision };
    let last = revision;
    for await (const change of client.guests.watchGuests(watching, abort)) {
      expect(change.revision).toBeGreaterThanOrEqual(last);
      last = change.revision;
      const label = change.guest?.labels["seen"] ?? "";
      if (label !== "" && label !== seen.at(-1)) seen.push(label);
      if (label === "three") break;
    }
    expect(seen).toEqual(["one", "two", "three"]);
    await client.nodes.cordonNode({ nodeId: "n1", requestId: "" });
    const { told, listed } = await eventsBothWays(revision, "n1 is ready, cordoned");
    expect(told.length).toBeGreaterThan(3);
    expect(told).toEqual(listed);
  });
});

describe("a revision", () => {
  it("that is no longer kept is refused as such; from 0 all begins anew", async () => {
    await restart({ INN_CHANGES_KEPT: String(CHANGES_KEPT) });
    for (let number = 0; number < 3 * CHANGES_KEPT; number += 1) {
      const project = Project.fromPartial({ id: `p${number}` });
      await client.projects.createProject({ project, requestId: "" });
    }
    const compacted = { kind: "precondition", reason: "WATCH_COMPACTED" };
    const guests = client.guests.watchGuests({ projectId: "", fromRevision: 1 });
    await expect(guests.next()).rejects.toMatchObject(compacted);
    const events = client.events.watchEvents({ afterRevision: 1 });
    await expect(events.next()).rejects.toMatchObject(compacted);
    const listing = client.events.listEvents({ afterRevision: 1, pageSize: 0 });
    await expect(listing).rejects.toMatchObject(compacted);
    const oldest = await client.events.listEvents({ afterRevision: 0, pageSize: 1 });
    expect(oldest.events).toHaveLength(1);
    const anew = client.guests.watchGuests({ projectId: "", fromRevision: 0 });
    expect((await anew.next()).value).toMatchObject({ snapshotComplete: true });
    await anew.return(undefined);
  });

  it("that is asked for at least is waited for", async () => {
    await ended(await create("m"));
    const page = { projectId: "", pageSize: 0, pageToken: "", minRevision: 0 };
    const { revision } = await client.guests.listGuests(page);
    const asked = { projectId: "", guestId: "m", minRevision: revision };
    expect((await client.guests.getGuest(asked)).guest?.id).toBe("m");
    const next = client.guests.listGuests({ ...page, minRevision: revision + 1 });
    await relabel("m", "now");
    expect((await next).guests[0]?.labels).toEqual({ seen: "now" });
  });
});
