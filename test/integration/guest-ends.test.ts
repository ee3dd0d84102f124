/**
 * Real guests that end by themselves: seen within a second with the reason, restarted as their
 * policy says, with back-off, until the restarts are used up.
 */
import { fileURLToPath } from "node:url";
import {
  createClient,
  type InnkeeperClient,
  importImage,
  readImageSource,
} from "@innkeeper/client";
import { Guest, GuestPhase, RestartCondition } from "@innkeeper/proto/innkeeper/v1/guest";
import { Mode } from "@innkeeper/proto/innkeeper/v1/resources";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Programs } from "./programs.js";

const TINY = fileURLToPath(new URL("../../images/build/tiny/image.json", import.meta.url));
const PATIENCE_MS = 60_000;
const SEEN_WITHIN_MS = 1_000;
const BACKOFF_MS = 200;

let programs: Programs;
let client: InnkeeperClient;

beforeAll(async () => {
  programs = new Programs();
  const { address } = await programs.up("data", ["--nodes", "1"]);
  client = createClient(address);
});

afterAll(async () => {
  client.close();
  await programs.dispose();
});

interface Policy {
  readonly condition: RestartCondition;
  readonly attemptsMax?: number;
}

/** Creates the tiny guest with this command line. @returns its uid. */
async function create(id: string, commandLine: string, policy: Policy): Promise<string> {
  const backoffMin = { seconds: 0, nanos: BACKOFF_MS * 1_000_000 };
  const guest = Guest.fromPartial({
    id,
    spec: {
      imageId: "tiny",
      mode: Mode.PARAVIRT,
      resources: { cpuMillis: 100, memoryMib: 32 },
      commandLine,
      restartPolicy: { ...policy, backoffMin },
    },
  });
  const { operation } = await client.guests.createGuest({ guest, requestId: "" });
  return operation?.guestUid ?? "";
}

interface Seen {
  readonly guest: Guest;
  readonly atMs: number;
}

/** Every state of the guest until the wanted one. */
async function follow(id: string, isWanted: (guest: Guest) => boolean): Promise<readonly Seen[]> {
  const seen: Seen[] = [];
  const abort = AbortSignal.timeout(PATIENCE_MS);
  const request = { projectId: "default", fromRevision: 0 };
  for await (const { guest } of client.guests.watchGuests(request, abort)) {
    if (guest?.id !== id) continue;
    seen.push({ guest, atMs: performance.now() });
    if (isWanted(guest)) return seen;
  }
  const states = seen.map(({ guest }) => `${guest.status?.phase} ${guest.status?.reason}`);
  throw new Error(`${id} did not come to the wanted state:\n${states.join("\n")}`);
}

const isIn =
  (...phases: readonly GuestPhase[]) =>
  ({ status }: Guest): boolean =>
    status !== undefined && phases.includes(status.phase);

describe("a guest that ends", () => {
  it.each<[string, string, RestartCondition, GuestPhase, string]>([
    [
      "powers off",
      "beat=20 exit=3",
      RestartCondition.ON_FAILURE,
      GuestPhase.STOPPED,
      "guest-shutdown",
    ],
    ["resets", "beat=20 reset=3", RestartCondition.NEVER, GuestPhase.FAILED, "guest-reset"],
    ["panics", "beat=20 panic=3", RestartCondition.NEVER, GuestPhase.FAILED, "guest-panic"],
  ])("%s: its end and reason are told", async (...row) => {
    const [name, commandLine, condition, phase, reason] = row;
    const id = name.replaceAll(" ", "-");
    await create(id, commandLine, { condition });
    const seen = await follow(id, isIn(phase));
    expect(seen.map(({ guest }) => guest.status?.phase)).toContain(GuestPhase.RUNNING);
    expect(seen.at(-1)?.guest.status).toMatchObject({ restartCount: 0, lastExit: { reason } });
  });

  it("panics in Linux: told by its last words, whatever the machine tells", async () => {
    const userData = Buffer.from("#!/bin/sh\necho c >/proc/sysrq-trigger\n");
    for (const mode of [Mode.PARAVIRT, Mode.HYBRID]) {
      const id = mode === Mode.PARAVIRT ? "kernel-p" : "kernel-h";
      const resources = { cpuMillis: 2000, memoryMib: 128 };
      const restartPolicy = { condition: RestartCondition.NEVER };
      const spec = { imageId: "linux", mode, resources, restartPolicy, seed: { userData } };
      await client.guests.createGuest({ guest: Guest.fromPartial({ id, spec }), requestId: "" });
      const seen = await follow(id, isIn(GuestPhase.FAILED));
      expect(seen.at(-1)?.guest.status).toMatchObject({
        reason: "GUEST_PANICKED",
        lastExit: { reason: "guest-panic", message: expect.stringContaining("sysrq triggered") },
      });
      await client.guests.deleteGuest({ projectId: "", guestId: id, requestId: "" });
    }
  });

  it("does not come up in the time of its image: told so, its policy applies", async () => {
    const source = await readImageSource(TINY, "stuck");
    const manifest = { ...source.manifest, ready: { text: "never", withinMs: 1000 } };
    await importImage(client, { ...source, manifest });
    const backoffMin = { seconds: 0, nanos: BACKOFF_MS * 1_000_000 };
    const restartPolicy = { condition: RestartCondition.ON_FAILURE, attemptsMax: 1, backoffMin };
    const resources = { cpuMillis: 100, memoryMib: 32 };
    const spec = { imageId: "stuck", mode: Mode.HYBRID, resources, restartPolicy };
    const guest = Guest.fromPartial({ id: "stuck", spec });
    await client.guests.createGuest({ guest, requestId: "" });
    const seen = await follow("stuck", isIn(GuestPhase.FAILED));
    expect(seen.at(-1)?.guest.status).toMatchObject({
      reason: "RESTARTS_EXHAUSTED",
      restartCount: 1,
      lastExit: { reason: "boot-timeout" },
    });
    const never = { ...spec, restartPolicy: { condition: RestartCondition.NEVER } };
    const once = Guest.fromPartial({ id: "stuck-once", spec: never });
    await client.guests.createGuest({ guest: once, requestId: "" });
    const ended = await follow("stuck-once", isIn(GuestPhase.FAILED));
    expect(ended.at(-1)?.guest.status?.reason).toBe("BOOT_TIMEOUT");
  });

  it("by kill -9 is seen within a second and restarted", async () => {
    const uid = await create("shot", "beat=10", { condition: RestartCondition.ON_FAILURE });
    await follow("shot", isIn(GuestPhase.RUNNING));
    const ending = follow("shot", ({ status }) => (status?.restartCount ?? 0) > 0);
    const killed = programs.guestPid(uid);
    process.kill(killed, "SIGKILL");
    const killedMs = performance.now();
    const seen = await ending;
    const gone = seen.find(({ guest }) => guest.status?.lastExit !== undefined);
    expect(gone?.guest.status?.lastExit?.reason).toBe("killed");
    expect((gone?.atMs ?? Number.POSITIVE_INFINITY) - killedMs).toBeLessThan(SEEN_WITHIN_MS);
    await follow("shot", isIn(GuestPhase.RUNNING));
    expect(programs.guestPid(uid)).not.toBe(killed);
  });

  it("by its own power-off is restarted where the policy says always", async () => {
    await create("tireless", "beat=20 exit=3", { condition: RestartCondition.ALWAYS });
    const seen = await follow("tireless", ({ status }) => (status?.restartCount ?? 0) >= 2);
    expect(seen.at(-1)?.guest.status?.lastExit?.reason).toBe("guest-shutdown");
    const request = { projectId: "", guestId: "tireless", requestId: "" };
    await client.guests.deleteGuest(request);
  });

  it("again and again is restarted with growing pauses, then given up", async () => {
    const policy = { condition: RestartCondition.ON_FAILURE, attemptsMax: 2 };
    await create("hopeless", "beat=20 panic=2", policy);
    const seen = await follow("hopeless", isIn(GuestPhase.FAILED));
    const last = seen.at(-1)?.guest.status;
    expect(last).toMatchObject({
      reason: "RESTARTS_EXHAUSTED",
      restartCount: 2,
      lastExit: { reason: "guest-panic" },
    });
    const starts = seen.map(({ guest }) => guest.status?.startTime?.getTime() ?? 0);
    const [first = 0, second = 0, third = 0] = [...new Set(starts)].filter((each) => each > 0);
    expect(second - first).toBeGreaterThan(BACKOFF_MS);
    expect(third - second).toBeGreaterThan(2 * BACKOFF_MS);
  });
});
