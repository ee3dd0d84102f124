/**
 * Reads what the holder keeps of a guest's output: files `console.<offset>`, each named by the
 * offset of its first byte since the guest began.
 *
 * O1 An offset whose byte is no longer kept, or beyond the end, continues at the oldest byte that
 *    is.
 * O2 The newest {@link LAST_WORDS_BYTES} can be read after the files are gone.
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync } from "node:fs";
import path from "node:path";
import type { ConsoleChunk } from "@innkeeper/core";
import { HOLDER_FILES } from "./holder-script.js";

export const LAST_WORDS_BYTES = 64 * 1024;
/** Parts may go while they are looked at; the holder makes new ones much more slowly. */
const ATTEMPTS_MAX = 3;

interface Part {
  readonly from: number;
  readonly size: number;
}

export class ConsoleParts {
  #lastWords: { readonly from: number; readonly bytes: Uint8Array } | undefined;

  constructor(private readonly directory: string) {}

  read(offset: number, bytesMax: number): ConsoleChunk {
    if (this.#lastWords !== undefined) return cut(this.#lastWords, offset, bytesMax);
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const chunk = this.#read(offset, bytesMax);
      if (chunk !== undefined) return chunk;
    }
    return { bytes: new Uint8Array(), nextOffset: offset };
  }

  /** Keeps the end of it in memory; the files may go. */
  keepLastWords(): void {
    const pieces: Uint8Array[] = [];
    let at = Math.max(0, endOf(this.#parts()) - LAST_WORDS_BYTES);
    for (;;) {
      const { bytes, nextOffset } = this.read(at, LAST_WORDS_BYTES);
      if (bytes.length === 0) break;
      pieces.push(bytes);
      at = nextOffset;
    }
    const bytes = Buffer.concat(pieces);
    this.#lastWords = { from: at - bytes.length, bytes };
  }

  /** Undefined when a part went away meanwhile. */
  #read(offset: number, bytesMax: number): ConsoleChunk | undefined {
    const parts = this.#parts();
    const end = endOf(parts);
    const at = offset > end ? (parts[0]?.from ?? 0) : offset;
    const part = parts.find((each) => at < each.from + each.size);
    if (part === undefined) return { bytes: new Uint8Array(), nextOffset: at };
    const from = Math.max(at, part.from);
    const length = Math.min(bytesMax, part.from + part.size - from);
    const bytes = readPart(this.#file(part.from), from - part.from, length);
    return bytes && { bytes, nextOffset: from + bytes.length };
  }

  #parts(): readonly Part[] {
    const { consolePrefix } = HOLDER_FILES;
    const names = namesIn(this.directory).filter((name) => name.startsWith(consolePrefix));
    return names
      .map((name) => Number(name.slice(consolePrefix.length)))
      .sort((a, b) => a - b)
      .map((from) => ({ from, size: sizeOf(this.#file(from)) }));
  }

  #file(from: number): string {
    return path.join(this.directory, `${HOLDER_FILES.consolePrefix}${from}`);
  }
}

function endOf(parts: readonly Part[]): number {
  const last = parts.at(-1);
  return last === undefined ? 0 : last.from + last.size;
}

function cut(kept: { from: number; bytes: Uint8Array }, offset: number, bytesMax: number) {
  const isBeyond = offset > kept.from + kept.bytes.length;
  const at = isBeyond ? kept.from : Math.max(offset, kept.from);
  const bytes = kept.bytes.subarray(at - kept.from, at - kept.from + bytesMax);
  return { bytes, nextOffset: at + bytes.length };
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function sizeOf(file: string): number {
  return withFile(file, (descriptor) => fstatSync(descriptor).size) ?? 0;
}

function readPart(file: string, position: number, length: number): Uint8Array | undefined {
  return withFile(file, (descriptor) => {
    const buffer = Buffer.alloc(length);
    return buffer.subarray(0, readSync(descriptor, buffer, 0, length, position));
  });
}

function withFile<T>(file: string, use: (descriptor: number) => T): T | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(file, "r");
  } catch {
    return undefined;
  }
  try {
    return use(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
