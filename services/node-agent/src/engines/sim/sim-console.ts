/**
 * The console of a simulated guest: one line for each beat. Nothing is stored: what was printed
 * follows from the running time, so offsets stay valid for ever. Pure.
 */
const LINE_PREFIX = "innkeeper-guest: beat ";
const LINE_FIXED_BYTES = LINE_PREFIX.length + 1;

/** Beats `firstBeat` to `lastBeat` from byte `offset` of that text on. */
export interface ConsoleRange {
  readonly firstBeat: number;
  readonly lastBeat: number;
  readonly offset: number;
  readonly bytesMax: number;
}

export function readBeats(range: ConsoleRange): { bytes: Uint8Array; nextOffset: number } {
  const { firstBeat, lastBeat, bytesMax } = range;
  const startsAt = bytesUpTo(firstBeat - 1);
  const endsAt = Math.max(startsAt, bytesUpTo(lastBeat));
  const from = Math.min(startsAt + Math.max(0, range.offset), endsAt);
  const to = Math.min(from + Math.max(0, bytesMax), endsAt);
  const beat = beatAt(from);
  let text = "";
  for (let next = beat; bytesUpTo(beat - 1) + text.length < to; next += 1) {
    text += `${LINE_PREFIX}${next}\n`;
  }
  const skipped = from - bytesUpTo(beat - 1);
  const bytes = Buffer.from(text.slice(skipped, skipped + to - from), "latin1");
  return { bytes, nextOffset: to - startsAt };
}

/** Bytes of the lines of beats 1 to `beat`. */
function bytesUpTo(beat: number): number {
  let bytes = Math.max(0, beat) * LINE_FIXED_BYTES;
  for (let first = 1; first <= beat; first *= 10) bytes += beat - first + 1;
  return bytes;
}

/** The beat whose line has the byte at this position of the whole text. */
function beatAt(position: number): number {
  let low = 1;
  let high = Math.floor(position / LINE_FIXED_BYTES) + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (bytesUpTo(middle) > position) high = middle;
    else low = middle + 1;
  }
  return low;
}
