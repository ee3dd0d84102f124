import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ConsoleParts, LAST_WORDS_BYTES } from "./console-parts.js";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), "inn-parts-"));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

/** What the holder does. */
function write(from: number, text: string): void {
  appendFileSync(path.join(directory, `console.${from}`), text);
}

function readAll(parts: ConsoleParts, offset = 0): { text: string; nextOffset: number } {
  let text = "";
  let nextOffset = offset;
  for (;;) {
    const piece = parts.read(nextOffset, 3);
    if (piece.bytes.length === 0) return { text, nextOffset };
    text += Buffer.from(piece.bytes).toString("latin1");
    nextOffset = piece.nextOffset;
  }
}

describe("reading", () => {
  it("gives nothing before the guest has written, or without a directory", () => {
    expect(readAll(new ConsoleParts(directory))).toEqual({ text: "", nextOffset: 0 });
    expect(readAll(new ConsoleParts(`${directory}/none`))).toEqual({ text: "", nextOffset: 0 });
  });

  it("goes over from one part to the next without a gap, in the order of numbers", () => {
    write(9, "hello ");
    write(15, "world");
    const parts = new ConsoleParts(directory);
    expect(readAll(parts)).toEqual({ text: "hello world", nextOffset: 20 });
    expect(readAll(parts, 12).text).toBe("lo world");
    write(15, "!");
    expect(readAll(parts, 20)).toEqual({ text: "!", nextOffset: 21 });
  });

  it("continues at the oldest byte that is kept (O1)", () => {
    write(100, "kept");
    const parts = new ConsoleParts(directory);
    expect(readAll(parts, 7)).toEqual({ text: "kept", nextOffset: 104 });
    expect(readAll(parts, 105)).toEqual({ text: "kept", nextOffset: 104 });
    expect(readAll(parts, 104)).toEqual({ text: "", nextOffset: 104 });
  });

  it("leaps over what a full disk has cost", () => {
    write(0, "before");
    write(50, "after");
    expect(readAll(new ConsoleParts(directory)).text).toBe("beforeafter");
  });
});

describe("last words", () => {
  it("are the newest bytes, readable after the files are gone (O2)", () => {
    const length = LAST_WORDS_BYTES + 1000;
    write(0, "a".repeat(1000));
    write(1000, "b".repeat(LAST_WORDS_BYTES - 1));
    write(length - 1, "c");
    const parts = new ConsoleParts(directory);
    parts.keepLastWords();
    rmSync(directory, { recursive: true });
    const { bytes, nextOffset } = parts.read(0, length);
    expect(Buffer.from(bytes).toString()).toBe(`${"b".repeat(LAST_WORDS_BYTES - 1)}c`);
    expect(nextOffset).toBe(length);
    expect(parts.read(nextOffset, 10).bytes.length).toBe(0);
  });
});
