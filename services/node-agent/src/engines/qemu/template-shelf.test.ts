import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { NodeTemplate } from "@innkeeper/core";
import { silentLogger } from "@innkeeper/core/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TemplateShelf } from "./template-shelf.js";

const MIB = 1024 * 1024;
const [A, B, C] = ["a", "b", "c"].map((letter) => letter.repeat(64)) as [string, string, string];
const TEMPLATE: NodeTemplate = {
  engine: "qemu",
  mode: "paravirt",
  imageDigest: "0".repeat(64),
  vcpuCount: 1,
  memoryMib: 128,
  diskMib: 0,
  commandLine: "",
  startMs: 100,
};

let directory: string;
beforeEach(() => {
  directory = path.join(mkdtempSync(path.join(tmpdir(), "inn shelf,'x':-")), "templates");
});
afterEach(() => {
  rmSync(path.dirname(directory), { recursive: true });
});

async function shelfOf(limits: { templatesMax?: number; sizeMibMax?: number; host?: string } = {}) {
  const { templatesMax = 2, sizeMibMax = 10, host = "host" } = limits;
  const shelf = new TemplateShelf({ directory, templatesMax, sizeMibMax, log: silentLogger });
  await shelf.open(host);
  return shelf;
}

async function put(shelf: TemplateShelf, key: string, more: { mib?: number; atMs?: number } = {}) {
  const { directory: making, statePath } = await shelf.begin(key);
  writeFileSync(statePath, Buffer.alloc((more.mib ?? 1) * MIB, key));
  writeFileSync(path.join(making, "data.raw"), "a blank disk");
  return await shelf.keep(key, { ...TEMPLATE, commandLine: key }, more.atMs ?? 1);
}

function keysOf(shelf: TemplateShelf): string[] {
  return shelf
    .list()
    .map(({ commandLine }) => commandLine)
    .sort();
}

describe("the shelf of templates", () => {
  it("gives back what was put there, also to the next process, and nothing else", async () => {
    const shelf = await shelfOf();
    expect(await put(shelf, A)).toBe(true);
    expect(readdirSync(path.join(directory, A)).sort()).toEqual(["state", "template.json"]);
    const next = await shelfOf();
    expect(next.list()).toEqual([{ ...TEMPLATE, commandLine: A }]);
    expect(next.use(A, 5)).toBe(path.join(directory, A, "state"));
    expect(next.use(B, 5)).toBeUndefined();
  });

  it("sweeps what is half made, and what it does not know (H1)", async () => {
    const shelf = await shelfOf();
    await shelf.begin(A);
    mkdirSync(path.join(directory, "lost+found"));
    mkdirSync(path.join(directory, B));
    expect(keysOf(await shelfOf())).toEqual([]);
    expect(readdirSync(directory)).toEqual([]);
  });

  it("throws away bytes that have changed, and those of another engine (H2)", async () => {
    const shelf = await shelfOf();
    await put(shelf, A);
    await put(shelf, B);
    appendFileSync(path.join(directory, A, "state"), "x");
    expect(keysOf(await shelfOf())).toEqual([B]);
    expect(readdirSync(directory)).toEqual([B]);
    expect(keysOf(await shelfOf({ host: "another" }))).toEqual([]);
    expect(readdirSync(directory)).toEqual([]);
  });

  it("lets those go that were not used for the longest time (H3)", async () => {
    const shelf = await shelfOf();
    await put(shelf, A, { atMs: 1_000 });
    await put(shelf, B, { atMs: 2_000 });
    shelf.use(A, 3_000);
    await put(shelf, C, { atMs: 4_000 });
    expect(keysOf(shelf)).toEqual([A, C]);
    expect(readdirSync(directory).sort()).toEqual([A, C]);
  });

  it("never takes more space than it may", async () => {
    const shelf = await shelfOf({ templatesMax: 9, sizeMibMax: 3 });
    await put(shelf, A, { atMs: 1_000 });
    await put(shelf, B, { atMs: 2_000 });
    expect(await put(shelf, C, { mib: 4, atMs: 3_000 })).toBe(false);
    expect(keysOf(shelf)).toEqual([A, B]);
    expect(await put(shelf, C, { mib: 2, atMs: 3_000 })).toBe(true);
    expect(keysOf(shelf)).toEqual([B, C]);
  });

  it("keeps nothing when it may keep none", async () => {
    await put(await shelfOf(), A);
    const shelf = await shelfOf({ templatesMax: 0 });
    expect(shelf.isOff).toBe(true);
    expect(readdirSync(directory)).toEqual([]);
    expect(await put(shelf, A)).toBe(false);
  });
});
