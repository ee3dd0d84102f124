import { forEachSeed } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { readBeats } from "./sim-console.js";

describe("the console of a simulated guest", () => {
  it("is one line for each beat, whatever piece is read", () => {
    forEachSeed(200, (prng) => {
      const firstBeat = prng.integer(1, 1_200);
      const lastBeat = firstBeat + prng.integer(-1, 300);
      const text = linesOf(firstBeat, lastBeat);
      const offset = prng.integer(0, text.length + 5);
      const bytesMax = prng.integer(0, 400);
      const { bytes, nextOffset } = readBeats({ firstBeat, lastBeat, offset, bytesMax });
      expect(Buffer.from(bytes).toString()).toBe(text.slice(offset, offset + bytesMax));
      expect(nextOffset).toBe(Math.min(offset, text.length) + bytes.length);
    });
  });

  it("can be read far into a long life at once", () => {
    const range = { firstBeat: 1, lastBeat: 10_000_000, offset: 200_000_000, bytesMax: 64 };
    const text = Buffer.from(readBeats(range).bytes).toString();
    expect(text).toHaveLength(64);
    const [one, other] = [...text.matchAll(/beat (\d{7})\n/g)].map(([, beat]) => Number(beat));
    expect(other ?? (one as number) + 1).toBe((one as number) + 1);
  });

  it("is empty before the first beat", () => {
    const range = { firstBeat: 5, lastBeat: 4, offset: 0, bytesMax: 100 };
    expect(readBeats(range)).toEqual({ bytes: Buffer.alloc(0), nextOffset: 0 });
  });
});

function linesOf(firstBeat: number, lastBeat: number): string {
  let text = "";
  for (let beat = firstBeat; beat <= lastBeat; beat += 1) text += `innkeeper-guest: beat ${beat}\n`;
  return text;
}
