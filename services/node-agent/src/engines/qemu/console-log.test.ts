import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { forEachSeed, type Prng } from "@innkeeper/core/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ConsoleLog, LAST_WORDS_BYTES, LOG_BYTES_MAX } from "./console-log.js";

let directory: string;
let file: string;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), "inn-console-"));
  file = path.join(directory, "console.log");
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

/** What QEMU does: it appends. */
function write(text: string): void {
  appendFileSync(file, text);
}

/** Numbered lines, so that every byte says where it belongs. */
function lines(from: number, count: number): string {
  return Array.from({ length: count }, (_, n) => `line ${String(from + n).padStart(10)}\n`).join(
    "",
  );
}

const LINE_BYTES = lines(0, 1).length;

function readAll(log: ConsoleLog, offset = 0): { text: string; nextOffset: number } {
  let text = "";
  let nextOffset = offset;
  for (;;) {
    const piece = log.read(nextOffset, 10_000);
    if (piece.bytes.length === 0) return { text, nextOffset };
    text += Buffer.from(piece.bytes).toString("latin1");
    nextOffset = piece.nextOffset;
  }
}

function sizeOnDisk(): number {
  return readdirSync(directory)
    .map((name) => statSync(path.join(directory, name)).size)
    .reduce((sum, size) => sum + size, 0);
}

describe("reading", () => {
  it("gives nothing before the guest has written, at any offset", () => {
    const log = new ConsoleLog(file);
    expect(log.read(0, 100)).toEqual({ bytes: Buffer.alloc(0), nextOffset: 0 });
    expect(log.read(500, 100).nextOffset).toBe(0);
  });

  it("goes on where it ended, byte by byte if need be", () => {
    const log = new ConsoleLog(file);
    write("ab");
    const first = log.read(0, 1);
    expect([Buffer.from(first.bytes).toString(), first.nextOffset]).toEqual(["a", 1]);
    write("c");
    expect(readAll(log, 1)).toEqual({ text: "bc", nextOffset: 3 });
  });

  it("begins at the oldest byte when asked for one beyond the end (O3)", () => {
    const log = new ConsoleLog(file);
    write("hello");
    expect(readAll(log, 6).text).toBe("hello");
    expect(readAll(log, 5).text).toBe("");
  });
});

describe("a flood", () => {
  it("stays within its bound on disk, and the newest is kept without a gap (O1)", () => {
    const log = new ConsoleLog(file);
    const chunk = 5_000;
    let written = 0;
    for (let look = 0; look < 60; look += 1) {
      write(lines(written, chunk));
      written += chunk;
      log.trim();
      expect(sizeOnDisk()).toBeLessThanOrEqual(LOG_BYTES_MAX + chunk * LINE_BYTES);
    }
    const kept = readAll(log);
    const first = Number(/line +([0-9]+)/.exec(kept.text)?.[1]);
    const whole = kept.text.slice(kept.text.indexOf("line"));
    expect(whole).toBe(lines(first, written - first));
    expect(kept.nextOffset).toBe(written * LINE_BYTES);
    expect(kept.text.length).toBeGreaterThan(LOG_BYTES_MAX / 4);
  });

  it("keeps the meaning of offsets over trims and restarts", () => {
    forEachSeed(20, (prng) => {
      rmSync(file, { force: true });
      rmSync(`${file}.tail`, { force: true });
      rmSync(`${file}.json`, { force: true });
      everyByteInPlace(prng);
    });
  });

  function everyByteInPlace(prng: Prng): void {
    let log = new ConsoleLog(file);
    let written = 0;
    for (let step = 0; step < 12; step += 1) {
      const count = prng.integer(1, 20_000);
      write(lines(written, count));
      written += count;
      if (prng.chance(0.6)) log.trim();
      if (prng.chance(0.3)) log = new ConsoleLog(file);
      const asked = prng.integer(0, written * LINE_BYTES);
      const { bytes, nextOffset } = log.read(asked, 1_000);
      const text = Buffer.from(bytes).toString("latin1");
      const at = nextOffset - text.length;
      expect(at).toBeGreaterThanOrEqual(asked);
      const firstLine = Math.floor(at / LINE_BYTES);
      const expected = lines(firstLine, 80).slice(at - firstLine * LINE_BYTES);
      expect(expected.startsWith(text)).toBe(true);
    }
  }
});

describe("last words", () => {
  it("are the newest bytes, readable after the files are gone, at their offsets (O2)", () => {
    const log = new ConsoleLog(file);
    const count = 20_000;
    write(lines(0, count));
    log.keepLastWords();
    rmSync(file);
    const { text, nextOffset } = readAll(log);
    expect(text.length).toBe(LAST_WORDS_BYTES);
    expect(lines(0, count).endsWith(text)).toBe(true);
    expect(nextOffset).toBe(count * LINE_BYTES);
    expect(readAll(log, nextOffset).text).toBe("");
    expect(readAll(log, nextOffset + 1).text).toBe(text);
  });

  it("are everything when the guest said little, and nothing when it said nothing", () => {
    const log = new ConsoleLog(file);
    log.keepLastWords();
    expect(readAll(log)).toEqual({ text: "", nextOffset: 0 });
    const other = new ConsoleLog(file);
    write("boom\n");
    other.keepLastWords();
    expect(readAll(other).text).toBe("boom\n");
  });
});
