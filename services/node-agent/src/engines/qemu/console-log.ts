/**
 * A guest's serial output on disk, bounded: QEMU appends to one file; when that is full its tail is
 * kept in a second one and the first is emptied. Offsets count from the first byte the guest ever
 * wrote.
 *
 * O1 The two files together hold at most {@link LOG_BYTES_MAX} plus what comes between two looks.
 * O2 The newest {@link LAST_WORDS_BYTES} can be read after the files are gone.
 * O3 An offset whose byte is no longer kept, or beyond the end, continues at the oldest byte that
 *    is.
 */
import {
  closeSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from "node:fs";

export const LOG_BYTES_MAX = 1024 * 1024;
const TAIL_BYTES = LOG_BYTES_MAX / 2;
export const LAST_WORDS_BYTES = 64 * 1024;
/** A kernel's account of its end, with registers and stack, is shorter. */
const PANIC_BYTES = 16 * 1024;

interface Kept {
  /** Offset of the first kept byte, and of the first byte in QEMU's file. */
  readonly from: number;
  readonly to: number;
}

export class ConsoleLog {
  readonly #file: string;
  readonly #tailFile: string;
  readonly #keptFile: string;
  #kept: Kept;
  #lastWords: { readonly from: number; readonly bytes: Uint8Array } | undefined;

  constructor(file: string) {
    this.#file = file;
    this.#tailFile = `${file}.tail`;
    this.#keptFile = `${file}.json`;
    this.#kept = readKept(this.#keptFile);
  }

  read(offset: number, bytesMax: number): { bytes: Uint8Array; nextOffset: number } {
    if (this.#lastWords !== undefined) return cut(this.#lastWords, offset, bytesMax);
    const { from, to } = this.#kept;
    const end = to + sizeOf(this.#file);
    const at = offset > end ? from : Math.max(offset, from);
    const bytes =
      at < to
        ? readPart(this.#tailFile, at - from, Math.min(bytesMax, to - at))
        : readPart(this.#file, at - to, bytesMax);
    return { bytes, nextOffset: at + bytes.length };
  }

  /** Keeps the end of it in memory; the files may go. */
  keepLastWords(): void {
    const end = this.#kept.to + sizeOf(this.#file);
    const parts: Uint8Array[] = [];
    let at = Math.max(0, end - LAST_WORDS_BYTES);
    for (;;) {
      const { bytes, nextOffset } = this.read(at, LAST_WORDS_BYTES);
      if (bytes.length === 0) break;
      parts.push(bytes);
      at = nextOffset;
    }
    const bytes = Buffer.concat(parts);
    this.#lastWords = { from: at - bytes.length, bytes };
  }

  /** The newest of what was kept, as text. */
  lastWords(): string {
    const bytes = this.#lastWords?.bytes.subarray(-PANIC_BYTES) ?? new Uint8Array();
    return Buffer.from(bytes).toString("latin1");
  }

  /** Makes room when QEMU's file is full. Called from time to time. */
  trim(): void {
    const sizeBytes = sizeOf(this.#file);
    if (sizeBytes < TAIL_BYTES) return;
    const tail = readPart(this.#file, Math.max(0, sizeBytes - TAIL_BYTES), TAIL_BYTES);
    const to = this.#kept.to + sizeBytes;
    this.#kept = { from: to - tail.length, to };
    writeFileSync(`${this.#tailFile}.new`, tail);
    renameSync(`${this.#tailFile}.new`, this.#tailFile);
    writeFileSync(this.#keptFile, JSON.stringify(this.#kept));
    truncateSync(this.#file);
  }
}

function cut(kept: { from: number; bytes: Uint8Array }, offset: number, bytesMax: number) {
  const isBeyond = offset > kept.from + kept.bytes.length;
  const at = isBeyond ? kept.from : Math.max(offset, kept.from);
  const bytes = kept.bytes.subarray(at - kept.from, at - kept.from + bytesMax);
  return { bytes, nextOffset: at + bytes.length };
}

function readPart(file: string, position: number, bytesMax: number): Uint8Array {
  const buffer = Buffer.alloc(Math.min(bytesMax, Math.max(0, sizeOf(file) - position)));
  if (buffer.length === 0) return buffer;
  const descriptor = openSync(file, "r");
  try {
    return buffer.subarray(0, readSync(descriptor, buffer, 0, buffer.length, position));
  } finally {
    closeSync(descriptor);
  }
}

/** 0 for a file that QEMU has not made yet. */
function sizeOf(file: string): number {
  try {
    const descriptor = openSync(file, "r");
    try {
      return fstatSync(descriptor).size;
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return 0;
  }
}

function readKept(file: string): Kept {
  try {
    const { from, to } = JSON.parse(readFileSync(file, "utf8")) as Partial<Kept>;
    return { from: Number(from ?? 0), to: Number(to ?? 0) };
  } catch {
    return { from: 0, to: 0 };
  }
}
