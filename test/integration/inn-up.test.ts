/** `inn up` for a user on real QEMU: killed and started again, its guests live on. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { PATIENCE, Programs, type Started } from "./programs.js";

let programs: Programs;

beforeEach(() => {
  programs = new Programs();
});

afterEach(async () => {
  await programs.dispose();
});

interface ShownGuest {
  readonly id: string;
  readonly uid: string;
  readonly status: {
    readonly phase: string;
    readonly reason?: string;
    readonly message?: string;
    readonly restartCount?: number;
    readonly placement?: { readonly nodeId: string; readonly mode: string };
    readonly lastExit?: { readonly reason: string };
  };
}

async function guest({ address }: Started, id: string): Promise<ShownGuest> {
  const { code, out, err } = await programs.inn(address, "guest", "get", id, "-o", "json");
  expect(`${code} ${err}`).toBe("0 ");
  return JSON.parse(out) as ShownGuest;
}

/** Number of the newest heartbeat on the console. */
async function newestBeat({ address }: Started, id: string): Promise<number> {
  const { out } = await programs.inn(address, "guest", "logs", id);
  return Number([...out.matchAll(/beat ([0-9]+)/g)].at(-1)?.[1] ?? 0);
}

function create(address: string, id: string, ...options: readonly string[]) {
  const size = ["--memory", "32MiB", "--cpu", "500m", "--image", "tiny"];
  return programs.inn(address, "guest", "create", id, ...size, ...options);
}

it("keeps guests running over its own death, and heeds each one's policy", async () => {
  const first = await programs.up("data");
  const { address } = first;
  const linux = ["--image", "linux", "--mode", "hybrid", "--memory", "128MiB"];
  const created = await programs.inn(address, "guest", "create", "a", ...linux);
  expect(created.err).toBe("create a ...\n");
  expect(created.out).toMatch(/^guest a is RUNNING: hybrid \(as asked\) on n[123]: /);
  expect(created.code).toBe(0);
  expect((await create(address, "again", "--restart", "on-failure")).code).toBe(0);
  expect((await create(address, "never", "--restart", "never")).code).toBe(0);
  const before = await guest(first, "a");
  const pid = programs.guestPid(before.uid);
  const again = await guest(first, "again");
  const never = await guest(first, "never");
  await vi.waitFor(async () => expect(await newestBeat(first, "a")).toBeGreaterThan(1), PATIENCE);
  const beat = await newestBeat(first, "a");

  await programs.kill(first);
  expect(programs.guestPids()).toHaveLength(3);
  process.kill(programs.guestPid(again.uid), "SIGKILL");
  process.kill(programs.guestPid(never.uid), "SIGKILL");

  const second = await programs.up("data");
  const adopted = (second.told["nodes"] as { adoptedCount: number }[])
    .map(({ adoptedCount }) => adoptedCount)
    .reduce((sum, count) => sum + count, 0);
  expect(adopted).toBe(1);
  const after = await guest(second, "a");
  expect(after.status).toMatchObject({ phase: "GUEST_PHASE_RUNNING" });
  expect(after.status.restartCount ?? 0).toBe(0);
  expect(after.uid).toBe(before.uid);
  expect(programs.guestPid(after.uid)).toBe(pid);
  await vi.waitFor(
    async () => expect(await newestBeat(second, "a")).toBeGreaterThan(beat),
    PATIENCE,
  );
  await vi.waitFor(async () => {
    const { status } = await guest(second, "again");
    expect(status).toMatchObject({ phase: "GUEST_PHASE_RUNNING", restartCount: 1 });
    expect(status.lastExit?.reason).toBe("killed");
  }, PATIENCE);
  await vi.waitFor(async () => {
    const { status } = await guest(second, "never");
    expect(status).toMatchObject({ phase: "GUEST_PHASE_FAILED" });
    expect(status.reason).not.toBe("");
    expect(status.message).toMatch(/ended while no agent was watching/);
  }, PATIENCE);

  for (const id of ["a", "again", "never"]) {
    const { code, out } = await programs.inn(second.address, "guest", "delete", id);
    expect([code, out]).toEqual([0, `delete ${id}: gone\n`]);
  }
  expect(programs.guestPids()).toEqual([]);
  expect(await programs.stop(second)).toBe(0);
  expect(programs.leftovers()).toEqual([]);
});

it("ends with a sentence, and wholly, when it cannot listen or its data is in use", async () => {
  const first = await programs.up("data", ["--engines", "sim", "--nodes", "1"]);
  const busy = await programs.inn("", "up", "--data", "other", "--listen", first.address);
  expect(busy.code).toBe(5);
  expect(busy.err).toMatch(/address .*EADDRINUSE/);
  const twice = await programs.inn("", "up", "--data", "data", "--listen", "127.0.0.1:0");
  expect(twice.code).not.toBe(0);
  expect(twice.err).toMatch(/in use|another process/);
  const bad = await programs.inn("", "up", "--data", "other", "--nodes", "0");
  expect([bad.code, bad.err]).toEqual([
    2,
    "inn: --nodes: 0 is not allowed; allowed: an integer from 1 to 16 [INVALID_FIELD]\n",
  ]);
});
