/** Quick starts through the whole cluster: it makes the template, knows it, and says so. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { PATIENCE, Programs, type Started } from "./programs.js";

const QUICK = ["--image", "linux", "--memory", "128MiB", "--cpu", "500m", "--start-within", "9s"];

let programs: Programs;
let cluster: Started;

beforeEach(async () => {
  programs = new Programs();
  cluster = await programs.up("data", ["--nodes", "2"]);
});

afterEach(async () => {
  await programs.dispose();
});

async function inn(...args: readonly string[]): Promise<string> {
  const { code, out, err } = await programs.inn(cluster.address, ...args);
  return code === 0 ? out.trim() : `${code}: ${err.trim()}`;
}

async function untilTemplate(): Promise<void> {
  const node = (): Promise<string> => inn("node", "get", "n2");
  await vi.waitFor(
    async () => expect(await node()).toMatch(/^templates .*128 MiB.*ms$/m),
    PATIENCE,
  );
}

it("boots the first guest, begins the next from a template, and finds that again", async () => {
  const first = await inn("guest", "create", "a", ...QUICK, "--node", "n2", "--mode", "paravirt");
  expect(first).toMatch(/^guest a is RUNNING: paravirt .*starts in \d+ ms measured$/);
  await untilTemplate();

  const second = await inn("guest", "create", "b", ...QUICK);
  expect(second).toMatch(/^guest b is RUNNING: paravirt .* on n2: .*from a template on n2/);
  await vi.waitFor(async () => {
    expect(await inn("guest", "logs", "b")).toMatch(/^innkeeper-guest: identity taken\r?\n.*up b /);
  }, PATIENCE);
  expect(await inn("guest", "stop", "b")).toMatch(/STOPPED on n2/);
  expect(await inn("guest", "start", "b")).toMatch(/RUNNING on n2/);

  await programs.kill(cluster);
  cluster = await programs.up("data", ["--nodes", "2"]);
  await untilTemplate();
  const third = await inn("guest", "create", "d", ...QUICK);
  expect(third).toMatch(/from a template on n2/);
  const moved = await inn("guest", "migrate", "d", "--to", "n1");
  expect(moved).toMatch(/moved to n1/);
  expect(await inn("guest", "get", "d")).toMatch(/node +n1/);
});
