/**
 * What all copies of one guest have printed, looked at again and again while they come and go. The
 * tiny guest counts its beats in its own memory, so a beat that two copies print was lived twice.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

const LOOK_EVERY_MS = 10;

export interface CopyBeats {
  readonly epoch: number;
  readonly first: number;
  readonly last: number;
}

export class BeatRecord {
  readonly #seen = new Map<number, CopyBeats>();
  readonly #timer: NodeJS.Timeout;
  isDamaged = false;

  constructor(
    private readonly directory: string,
    private readonly nodeIds: readonly string[],
    private readonly guestUid: string,
  ) {
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  /** In the order of their epochs; those that never ran are not there. */
  copies(): readonly CopyBeats[] {
    return [...this.#seen.values()].sort((a, b) => a.epoch - b.epoch);
  }

  get last(): number {
    return this.copies().at(-1)?.last ?? 0;
  }

  end(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    for (const nodeId of this.nodeIds) {
      const guests = path.join(this.directory, nodeId, "guests");
      if (!existsSync(guests)) continue;
      for (const name of readdirSync(guests)) {
        const [uid, epoch] = name.split(".");
        if (uid === this.guestUid) this.#read(Number(epoch), path.join(guests, name));
      }
    }
  }

  #read(epoch: number, copy: string): void {
    const text = textOf(path.join(copy, "console.log"));
    if (text.includes("memory damaged")) this.isDamaged = true;
    const beats = [...text.matchAll(/beat ([0-9]+)\n/g)].map(([, beat]) => Number(beat));
    const [first, last] = [beats[0], beats.at(-1)];
    if (first === undefined || last === undefined) return;
    const known = this.#seen.get(epoch);
    this.#seen.set(epoch, { epoch, first: known?.first ?? first, last });
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}
