import { describe, expect, it } from "vitest";
import type { ForecastBasis } from "../domain/migration-forecast.js";
import { anOperation } from "../testing/builders.js";
import { forEachSeed } from "../testing/prng.js";
import { forecastMigration, linkFrom, withActual } from "./forecast-migration.js";

const MIB = 1024 ** 2;
const POLICY = { downtimeMsMax: 300, slowdownPercentMax: 0 };
const BASIS: ForecastBasis = {
  memoryBytes: 1000 * MIB,
  dirtyBytesPerSecond: 0,
  bytesPerSecond: 100 * MIB,
  overheadMs: 200,
  samples: 1,
};

describe("a forecast", () => {
  it("is one round for a guest that writes nothing", () => {
    expect(forecastMigration(BASIS, POLICY)).toEqual({
      willConverge: true,
      rounds: 1,
      totalMs: 10_200,
      downtimeMs: 0,
      transferBytes: 1000 * MIB,
    });
  });

  it("adds what is written meanwhile, round by round, until it fits into the limit", () => {
    // 1000, 100, 10, 1 MiB; the last one takes 10 ms.
    const basis = { ...BASIS, dirtyBytesPerSecond: 10 * MIB };
    expect(forecastMigration(basis, POLICY)).toEqual({
      willConverge: true,
      rounds: 3,
      totalMs: 11_310,
      downtimeMs: 10,
      transferBytes: 1111 * MIB,
    });
  });

  it("takes a guest whose rate nobody has measured as one that writes nothing", () => {
    const unknown = { ...BASIS, dirtyBytesPerSecond: undefined };
    expect(forecastMigration(unknown, POLICY)).toEqual(forecastMigration(BASIS, POLICY));
  });

  it("says that a guest which writes faster than is sent does not come to an end", () => {
    const basis = { ...BASIS, dirtyBytesPerSecond: 200 * MIB };
    expect(forecastMigration(basis, POLICY)).toMatchObject({ willConverge: false, downtimeMs: 0 });
    const slowed = forecastMigration(basis, { ...POLICY, slowdownPercentMax: 90 });
    expect(slowed.willConverge).toBe(true);
  });

  it("ends, and more writing or a slower link never make it faster (F1, F2)", () => {
    forEachSeed(300, (prng) => {
      const basis = {
        memoryBytes: prng.integer(1, 65_536) * MIB,
        dirtyBytesPerSecond: prng.integer(0, 500) * MIB,
        bytesPerSecond: prng.integer(1, 2000) * MIB,
        overheadMs: prng.integer(0, 1000),
        samples: 1,
      };
      const base = forecastMigration(basis, POLICY);
      expect(base.rounds).toBeLessThanOrEqual(200);
      if (!base.willConverge) return;
      expect(base.downtimeMs).toBeLessThanOrEqual(POLICY.downtimeMsMax);
      const calmer = { ...basis, dirtyBytesPerSecond: Math.floor(basis.dirtyBytesPerSecond / 2) };
      expect(forecastMigration(calmer, POLICY).totalMs).toBeLessThanOrEqual(base.totalMs + 300);
      const faster = { ...basis, bytesPerSecond: 2 * basis.bytesPerSecond };
      expect(forecastMigration(faster, POLICY).totalMs).toBeLessThanOrEqual(base.totalMs + 300);
    });
  });
});

describe("what a link carries", () => {
  const pair = { sourceNodeId: "n1", targetNodeId: "n2" };

  it("is assumed before anything was moved", () => {
    const failed = moved({ mib: 100, elapsedMs: 1000 }, { state: "failed" });
    expect(linkFrom([failed, anOperation()], pair)).toEqual({
      bytesPerSecond: 125_000_000,
      overheadMs: 300,
      samples: 0,
    });
  });

  it("is the middle of the newest of this pair, else of any", () => {
    const rates = [10, 300, 200].map((mib) => moved({ mib, elapsedMs: 1000 }));
    const other = moved({ mib: 1, elapsedMs: 1000 }, {}, { ...pair, targetNodeId: "n3" });
    expect(linkFrom([...rates, other], pair)).toEqual({
      bytesPerSecond: 200 * MIB,
      overheadMs: 250,
      samples: 3,
    });
    const waited = moved({ mib: 1, elapsedMs: 1000 }, { createdAtMs: 0 });
    expect(linkFrom([withActual(waited, 1100)], pair)).toMatchObject({ overheadMs: 100 });
    expect(linkFrom([other], pair)).toMatchObject({ bytesPerSecond: MIB, samples: 1 });
  });

  it("is told with the operation how far the forecast was off", () => {
    const operation = moved({ mib: 1, elapsedMs: 1000 });
    const told = withActual(operation, 4321);
    expect(told.forecast?.actualTotalMs).toBe(4321);
    expect(withActual(anOperation(), 9)).toEqual(anOperation());
  });

  function moved(
    { mib, elapsedMs }: { readonly mib: number; readonly elapsedMs: number },
    overrides: Parameters<typeof anOperation>[0] = {},
    nodes = pair,
  ) {
    const basis = { ...BASIS, ...nodes, basis: BASIS };
    const progress = { remainingBytes: 0, totalBytes: mib * MIB, engineDowntimeMs: 1 };
    return anOperation({
      kind: "migrate",
      state: "succeeded",
      createdAtMs: 5000,
      updatedAtMs: 5000 + elapsedMs + 250,
      migration: { ...progress, transferredBytes: mib * MIB, elapsedMs },
      forecast: { ...basis, ...forecastMigration(BASIS, POLICY), ...nodes },
      ...overrides,
    });
  }
});
