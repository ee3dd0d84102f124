import { describe, expect, it } from "vitest";
import { aNode, anImage } from "../testing/builders.js";
import { forEachSeed } from "../testing/prng.js";
import { vcpuCount } from "./guest.js";
import { canonicalManifest } from "./image.js";
import { allocatable } from "./node.js";
import {
  addResources,
  NO_RESOURCES,
  RESOURCE_KINDS,
  subtractResources,
  sumResources,
} from "./resources.js";

describe("resources", () => {
  it("subtracts what it added, and sums in any order", () => {
    forEachSeed(50, (prng) => {
      const draw = () => ({
        cpuMillis: prng.integer(0, 1000),
        memoryMib: prng.integer(0, 1000),
        diskMib: prng.integer(0, 1000),
      });
      const all = Array.from({ length: 5 }, draw);
      const [first = NO_RESOURCES] = all;
      const rest = sumResources(all.slice(1));
      expect(subtractResources(sumResources(all), first)).toEqual(rest);
      expect(sumResources(prng.shuffle(all))).toEqual(addResources(first, rest));
    });
  });
});

describe("what a node may promise (I2)", () => {
  it("is capacity times overcommit less reserve, for each resource on its own", () => {
    const node = aNode({
      capacity: { cpuMillis: 4000, memoryMib: 1000, diskMib: 10 },
      overcommitPercent: { cpuMillis: 400, memoryMib: 150, diskMib: 100 },
      reserve: { cpuMillis: 1000, memoryMib: 501, diskMib: 11 },
    });
    expect(allocatable(node)).toEqual({ cpuMillis: 15_000, memoryMib: 999, diskMib: 0 });
  });

  it("is whole and never rounded up", () => {
    forEachSeed(100, (prng) => {
      const capacity = prng.integer(0, 10_000);
      const percent = prng.integer(100, 1000);
      const node = aNode({
        capacity: { cpuMillis: capacity, memoryMib: capacity, diskMib: capacity },
        overcommitPercent: { cpuMillis: percent, memoryMib: percent, diskMib: percent },
      });
      for (const kind of RESOURCE_KINDS) {
        const promised = allocatable(node)[kind];
        expect(Number.isInteger(promised)).toBe(true);
        expect(promised * 100).toBeLessThanOrEqual(capacity * percent);
      }
    });
  });
});

describe("vCPUs", () => {
  it.each([
    [0, 1],
    [1, 1],
    [1000, 1],
    [1001, 2],
    [2500, 3],
  ])("%i milli-CPUs need %i", (cpuMillis, count) => {
    expect(vcpuCount({ ...NO_RESOURCES, cpuMillis })).toBe(count);
  });
});

describe("the canonical manifest", () => {
  it("does not depend on the order of blobs or fields, but on every value", () => {
    const { manifest } = anImage();
    const reversed = { ...manifest, blobs: [...manifest.blobs].reverse() };
    expect(canonicalManifest(reversed)).toBe(canonicalManifest(manifest));
    const shuffled = Object.fromEntries(Object.entries(manifest).reverse()) as typeof manifest;
    expect(canonicalManifest(shuffled)).toBe(canonicalManifest(manifest));
    const others = [
      { ...manifest, commandLine: "quiet" },
      { ...manifest, memoryMibMin: 1 },
      { ...manifest, blobs: manifest.blobs.slice(1) },
    ];
    for (const other of others) {
      expect(canonicalManifest(other)).not.toBe(canonicalManifest(manifest));
    }
  });
});
