import { MigrationProgress } from "@innkeeper/proto/innkeeper/v1/operation";
import { expect, it } from "vitest";
import { migrationLine } from "./migration-progress.js";

const MIB = 1024 * 1024;
const HALF = MigrationProgress.fromPartial({
  transferredBytes: 100 * MIB,
  remainingBytes: 100 * MIB,
  totalBytes: 256 * MIB,
  elapsedMs: 500,
});

it("tells what is known, and no rate before there is one", () => {
  expect(migrationLine(HALF, { hasBar: false })).toBe("100 MiB sent, 100 MiB left, 500 ms");
});

it("tells the rates and how long it takes from now on", () => {
  const rates = { bytesPerSecond: 200 * MIB, dirtyBytesPerSecond: 100 * MIB };
  expect(migrationLine({ ...HALF, ...rates, slowdownPercent: 20 }, { hasBar: false })).toBe(
    "100 MiB sent, 100 MiB left, 200 MiB/s, writes 100 MiB/s, slowed down by 20 %, 500 ms, " +
      "about 1000 ms to go",
  );
});

it("promises no end to a guest that writes as fast as is sent", () => {
  const rates = { bytesPerSecond: 100 * MIB, dirtyBytesPerSecond: 100 * MIB };
  expect(migrationLine({ ...HALF, ...rates }, { hasBar: false })).toMatch(/no end in sight yet$/);
});

it("draws a bar where one is wanted", () => {
  expect(migrationLine(HALF, { hasBar: true })).toMatch(/^\[#{10}\.{10}\] {2}50 % 100 MiB sent/);
  const done = { ...HALF, remainingBytes: 0 };
  expect(migrationLine(done, { hasBar: true })).toMatch(/^\[#{20}\] 100 % /);
  const none = { ...HALF, transferredBytes: 0, remainingBytes: 0 };
  expect(migrationLine(none, { hasBar: true })).toMatch(/^\[\.{20}\] {3}0 % /);
});
