/**
 * A guest that floods its console, and somebody who does not read what it prints: the guest goes
 * on, nothing piles up, and the reader is told what it missed.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { PATIENCE, Programs, type Started } from "./programs.js";

const MIB = 1024 * 1024;
/** More than all buffers between the guest and the reader hold. */
const FLOOD_BYTES = 6 * MIB;
const FLOOD = { timeout: 100_000, interval: 200 };

let programs: Programs;
let cluster: Started;

beforeEach(async () => {
  programs = new Programs();
  cluster = await programs.up("data", ["--nodes", "1", "--engines", "qemu"]);
});

afterEach(async () => {
  await programs.dispose();
});

/** How much of the only guest's console is no longer kept. */
function forgottenBytes(): number {
  const guests = path.join(programs.directory, "data", "nodes", "n1", "guests");
  const [copy = ""] = readdirSync(guests);
  const file = path.join(guests, copy, "console.log.json");
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as { from: number }).from : 0;
}

it("misses what is no longer kept, is told how much, and goes on from there", async () => {
  const inn = (...args: readonly string[]) => programs.inn(cluster.address, ...args);
  const script = path.join(programs.directory, "flood");
  writeFileSync(script, `#!/bin/sh\nyes ${"0123456789".repeat(7)} >/dev/console\n`);
  const size = ["--image", "linux", "--memory", "128MiB", "--user-data", script];
  expect((await inn("guest", "create", "flood", ...size)).code).toBe(0);
  const reader = programs.innLater(cluster.address, "guest", "console", "flood", "--read-only");
  await vi.waitFor(() => expect(reader.out().length).toBeGreaterThan(0), PATIENCE);
  reader.child.stdout?.pause();
  await vi.waitFor(() => expect(forgottenBytes()).toBeGreaterThan(FLOOD_BYTES), FLOOD);
  const before = reader.out().length;
  reader.child.stdout?.resume();
  await vi.waitFor(() => {
    expect(reader.err()).toMatch(/inn: [0-9]+ bytes are missing here: you read too slowly/);
    expect(reader.out().length).toBeGreaterThan(before + MIB);
  }, PATIENCE);
  expect((await inn("guest", "get", "flood")).out).toMatch(/phase +RUNNING/);
  reader.child.kill("SIGTERM");
  await reader.ended();
  expect((await inn("guest", "delete", "flood")).code).toBe(0);
});
