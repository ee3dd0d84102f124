import { forEachSeed, type Prng } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { isoVolume, type VolumeFile } from "./iso9660.js";

const SECTOR = 2048;

/** Reads a volume as the standard says, knowing nothing of how it was made. */
function readVolume(volume: Buffer, type: 1 | 2) {
  for (let sector = 16; ; sector += 1) {
    const at = sector * SECTOR;
    expect(volume.toString("latin1", at + 1, at + 6)).toBe("CD001");
    const found = volume[at];
    if (found === 255) throw new Error("no such description");
    if (found === type) return readTree(volume, at, type === 2);
  }
}

function readTree(volume: Buffer, at: number, isJoliet: boolean) {
  const decode = (bytes: Buffer): string =>
    isJoliet ? Buffer.from(bytes).swap16().toString("utf16le") : bytes.toString("latin1");
  const label = decode(volume.subarray(at + 40, at + 72)).trimEnd();
  expect(volume.readUInt32LE(at + 80)).toBe(volume.length / SECTOR);
  expect(volume.readUInt32BE(at + 84)).toBe(volume.length / SECTOR);
  const root = entryAt(volume, at + 156);
  expect(root.isDirectory).toBe(true);
  const table = volume.readUInt32LE(at + 140) * SECTOR;
  expect(volume.readUInt32LE(table + 2)).toBe(root.sector);
  const bigTable = volume.readUInt32BE(at + 148) * SECTOR;
  expect(volume.readUInt32BE(bigTable + 2)).toBe(root.sector);
  const files: { name: string; text: string }[] = [];
  for (let next = root.sector * SECTOR; volume[next] !== 0; next += volume[next] as number) {
    const entry = entryAt(volume, next);
    if (entry.isDirectory) continue;
    const from = entry.sector * SECTOR;
    const bytes = volume.subarray(from, from + entry.sizeBytes);
    files.push({ name: decode(entry.name), text: bytes.toString("latin1") });
  }
  return { label, files };
}

function entryAt(volume: Buffer, at: number) {
  const [sector, sizeBytes] = [volume.readUInt32LE(at + 2), volume.readUInt32LE(at + 10)];
  expect(volume.readUInt32BE(at + 6)).toBe(sector);
  expect(volume.readUInt32BE(at + 14)).toBe(sizeBytes);
  const name = volume.subarray(at + 33, at + 33 + (volume[at + 32] as number));
  return { sector, sizeBytes, name, isDirectory: volume[at + 25] === 2 };
}

const file = (name: string, text: string): VolumeFile => ({ name, bytes: Buffer.from(text) });

describe("a volume", () => {
  const files = [file("user-data", "#!/bin/sh\n"), file("meta-data", "x".repeat(5000))];

  it("holds its files under their names", () => {
    expect(readVolume(isoVolume("CIDATA", files), 2)).toEqual({
      label: "CIDATA",
      files: [
        { name: "meta-data", text: "x".repeat(5000) },
        { name: "user-data", text: "#!/bin/sh\n" },
      ],
    });
  });

  it("holds them for those who know no Joliet", () => {
    const { label, files: found } = readVolume(isoVolume("CIDATA", files), 1);
    expect(label).toBe("CIDATA");
    expect(found.map(({ name }) => name)).toEqual(["META_DATA.;1", "USER_DATA.;1"]);
  });

  it("is the same for the same files, in whatever order", () => {
    const again = isoVolume("CIDATA", files.toReversed());
    expect(isoVolume("CIDATA", files).equals(again)).toBe(true);
  });

  it("gives back any files, empty ones and whole sectors too", () => {
    forEachSeed(50, (prng) => {
      const random = Array.from({ length: prng.integer(0, 8) }, (_, n) => randomFile(prng, n));
      const { files: found } = readVolume(isoVolume("CIDATA", random), 2);
      const expected = random.map(({ name, bytes }) => ({
        name,
        text: Buffer.from(bytes).toString("latin1"),
      }));
      expect(found).toEqual(expected);
    });
  });
});

function randomFile(prng: Prng, n: number): VolumeFile {
  const length = prng.pick([0, 1, SECTOR, SECTOR + 1, prng.integer(0, 20_000)]);
  const bytes = Buffer.from(Array.from({ length }, () => prng.integer(0, 255)));
  return { name: `file-${n}`, bytes };
}
