/** Commands in guests that boot a kernel directly, through the whole cluster on real QEMU. */
import path from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { PATIENCE, Programs, type Started } from "./programs.js";

const SIZE = ["--image", "linux-agent", "--memory", "128MiB", "--cpu", "500m"];

/** Exits with 0 when it finds the command. */
const FIND_SLEEP = `for each in /proc/[0-9]*/cmdline; do
  [ "$(tr '\\0' ' ' <$each)" = "sleep 300 " ] && exit 0
done 2>/dev/null; exit 1`;

let programs: Programs;
let cluster: Started;

beforeEach(async () => {
  programs = new Programs();
  cluster = await programs.up("data", ["--nodes", "2"]);
});

afterEach(async () => {
  await programs.dispose();
});

function inn(...args: readonly string[]) {
  return programs.inn(cluster.address, ...args);
}

function exec(...words: readonly string[]) {
  return inn("guest", "exec", "a", "--", ...words);
}

it("runs in a paravirt guest, wherever that moves to, and not without an agent", async () => {
  const image = path.resolve("images/build/linux-agent/image.json");
  expect(await inn("image", "import", image)).toMatchObject({ code: 0 });
  const created = await inn("guest", "create", "a", ...SIZE, "--mode", "paravirt", "--node", "n1");
  expect(created.out).toMatch(/^guest a is RUNNING: paravirt /);
  await vi.waitFor(async () => expect(await exec("true")).toMatchObject({ code: 0 }), PATIENCE);
  const ran = await exec("sh", "-c", "echo kept >/run/note; echo bad >&2; exit 3");
  expect(ran).toMatchObject({ code: 3, out: "", err: "bad\n" });
  const found = `sleep 300 >/dev/null 2>&1 & until (${FIND_SLEEP}); do :; done; kill $!`;
  expect(await exec("sh", "-c", found)).toMatchObject({ code: 0 });
  const late = await inn("guest", "exec", "a", "--timeout", "1s", "--", "sleep", "300");
  expect([late.code, late.err]).toEqual([125, expect.stringContaining("[EXEC_TIMED_OUT]")]);
  await vi.waitFor(async () => {
    expect(await exec("sh", "-c", FIND_SLEEP)).toMatchObject({ code: 1 });
  }, PATIENCE);

  expect((await inn("guest", "migrate", "a", "--to", "n2")).out).toMatch(/moved to n2/);
  expect(await exec("cat", "/run/note")).toMatchObject({ code: 0, out: "kept\n" });
  expect((await inn("guest", "stop", "a")).out).toMatch(/STOPPED on n2/);
  expect((await inn("guest", "get", "a")).out).toMatch(/last exit +guest-shutdown/);

  await inn("guest", "create", "b", "--image", "linux", ...SIZE.slice(2), "--mode", "paravirt");
  const none = await inn("guest", "exec", "b", "--", "true");
  expect([none.code, none.err]).toEqual([125, expect.stringContaining("[NO_GUEST_AGENT]")]);
});
