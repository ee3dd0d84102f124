import { forEachSeed } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { QCOW2_HEADER_BYTES, readQcow2Header } from "./qcow2-header.js";

const SIZE_BYTES = 3 * 1024 ** 3;

function aHeader(change: (view: DataView) => void = () => undefined): Uint8Array {
  const bytes = new Uint8Array(QCOW2_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x5146_49fb);
  view.setUint32(4, 3);
  view.setBigUint64(24, BigInt(SIZE_BYTES));
  change(view);
  return bytes;
}

describe("the header of a qcow2 file", () => {
  it.each<[string, (view: DataView) => void]>([
    ["a plain one", () => undefined],
    ["one of version 2, whose later bytes mean nothing", versionTwo],
    ["one with compression and extended entries", (view) => view.setBigUint64(72, 0b11000n)],
    ["one that was not closed", (view) => view.setBigUint64(72, 1n)],
  ])("gives the size of the disk: %s", (_, change) => {
    expect(readQcow2Header(aHeader(change))).toEqual({ sizeBytes: SIZE_BYTES });
  });

  it.each<[string, (view: DataView) => void]>([
    ["no qcow2 file", (view) => view.setUint32(0, 0x4b44_4d56)],
    ["version 4", (view) => view.setUint32(4, 4)],
    ["another file below it", (view) => view.setBigUint64(8, 104n)],
    ["encrypted", (view) => view.setUint32(32, 1)],
    ["in another file", (view) => view.setBigUint64(72, 0b100n)],
    ["corrupt", (view) => view.setBigUint64(72, 0b10n)],
    ["not known", (view) => view.setBigUint64(72, 1n << 40n)],
    ["absurd", (view) => view.setBigUint64(24, 1n << 63n)],
  ])("refuses it, saying %s", (told, change) => {
    expect(readQcow2Header(aHeader(change))).toEqual({ problem: expect.stringContaining(told) });
  });

  it("never gives a size for a file that could reach outside, and never throws", () => {
    forEachSeed(2000, (prng) => {
      const bytes = aHeader();
      for (let change = prng.integer(1, 8); change > 0; change -= 1) {
        bytes[prng.integer(0, bytes.length - 1)] = prng.integer(0, 255);
      }
      const header = readQcow2Header(bytes);
      if (reachesOutside(bytes)) expect(header).toHaveProperty("problem");
      expect(readQcow2Header(bytes.subarray(0, prng.integer(0, 103)))).toHaveProperty("problem");
    });
  });
});

function reachesOutside(bytes: Uint8Array): boolean {
  const hasBackingFile = bytes.subarray(8, 16).some((byte) => byte !== 0);
  const hasDataFile = bytes[7] === 3 && ((bytes[79] ?? 0) & 0b100) !== 0;
  return hasBackingFile || hasDataFile;
}

function versionTwo(view: DataView): void {
  view.setUint32(4, 2);
  view.setBigUint64(72, 0b110n);
}
