/** What guests that boot from a kernel are told of themselves, by the firmware of both machines. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { PATIENCE, Programs, type Started } from "./programs.js";

let programs: Programs;
let cluster: Started;
let userData: string;

beforeEach(async () => {
  programs = new Programs();
  userData = path.join(programs.directory, "user-data");
  cluster = await programs.up("data", ["--nodes", "2", "--engines", "qemu"]);
});

afterEach(async () => {
  await programs.dispose();
});

function inn(...args: readonly string[]) {
  return programs.inn(cluster.address, ...args);
}

const SIZE = ["--image", "linux", "--memory", "128MiB", "--cpu", "500m"];

it.each(["hybrid", "paravirt"])("%s: takes name and script, also after a move", async (mode) => {
  const script = "#!/bin/sh\necho told: $(hostname) >/dev/console\n";
  writeFileSync(userData, script);
  const told = ["--append", "hostname=other", "--user-data", userData];
  expect((await inn("guest", "create", "me", ...SIZE, "--mode", mode, ...told)).code).toBe(0);
  await vi.waitFor(async () => {
    const { out } = await inn("guest", "logs", "me");
    expect(out).toMatch(/^innkeeper-guest: up me /m);
    expect(out).toMatch(/^told: me/m);
  }, PATIENCE);
  expect((await inn("guest", "migrate", "me")).code).toBe(0);
  const { out } = await inn("guest", "get", "me", "-o", "json");
  const { status, spec } = JSON.parse(out) as {
    status: { phase: string; placement: { epoch: number | string } };
    spec: { seed: object };
  };
  expect(status).toMatchObject({ phase: "GUEST_PHASE_RUNNING" });
  expect(Number(status.placement.epoch)).toBe(2);
  // What it was told may be a secret: only its size is shown.
  expect(spec.seed).toEqual({ userDataSize: script.length });
});

it("refuses what is too large, and what cannot be read", async () => {
  writeFileSync(userData, "x".repeat(16 * 1024 + 1));
  const large = await inn("guest", "create", "me", ...SIZE, "--user-data", userData);
  expect([large.code, large.err]).toEqual([2, expect.stringContaining("at most 16384 bytes")]);
  const missing = await inn("guest", "create", "me", ...SIZE, "--user-data", "/no/such/file");
  expect([missing.code, missing.err]).toEqual([2, expect.stringContaining("ENOENT")]);
});
