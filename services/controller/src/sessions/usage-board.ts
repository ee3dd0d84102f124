/**
 * What guests take, as their nodes told: the newest, and the last hour in samples. In memory only,
 * and only at the leader.
 *
 * U1 A guest that was moved, or whose copy is another one, begins anew: no rate is made of readings
 *    that do not follow each other.
 */
import type { Clock, UsageReading } from "@innkeeper/core";

export interface UsageNow {
  readonly nodeId: string;
  /** Undefined until two readings follow each other. */
  readonly cpuMillis: number | undefined;
  readonly memoryMib: number;
  readonly dirtyBytesPerSecond?: number;
}

export interface UsageSample {
  readonly atMs: number;
  readonly cpuMillis: number;
  readonly memoryMib: number;
}

interface Entry extends UsageNow {
  readonly heardAtMs: number;
  readonly newest: UsageReading;
  /** The reading of the last sample. */
  readonly sampled: UsageReading;
  readonly samples: readonly UsageSample[];
}

const SAMPLE_EVERY_MS = 15_000;
const SAMPLES_MAX = 240;
/** What was heard longer ago says nothing of now. */
const STALE_MS = 15_000;
const MS_PER_CPU_MILLI = 1000;

export class UsageBoard {
  readonly #entries = new Map<string, Entry>();

  constructor(private readonly clock: Clock) {}

  take(nodeId: string, readings: readonly UsageReading[]): void {
    for (const reading of readings) {
      const known = this.#entries.get(reading.guestUid);
      this.#entries.set(reading.guestUid, this.#next(nodeId, reading, known));
    }
  }

  now(guestUid: string): UsageNow | undefined {
    const entry = this.#entries.get(guestUid);
    if (entry === undefined) return undefined;
    return this.clock.monotonicMs() - entry.heardAtMs > STALE_MS ? undefined : entry;
  }

  /** Oldest first. */
  lastHour(guestUid: string): readonly UsageSample[] {
    return this.#entries.get(guestUid)?.samples ?? [];
  }

  forget(guestUid: string): void {
    this.#entries.delete(guestUid);
  }

  #next(nodeId: string, newest: UsageReading, known: Entry | undefined): Entry {
    const heardAtMs = this.clock.monotonicMs();
    const { memoryMib, dirtyBytesPerSecond } = newest;
    const told = dirtyBytesPerSecond === undefined ? {} : { dirtyBytesPerSecond };
    const fresh = { nodeId, newest, heardAtMs, memoryMib, ...told };
    const samples = known?.samples ?? [];
    if (known === undefined || known.nodeId !== nodeId || !follows(known.newest, newest)) {
      return { ...fresh, cpuMillis: undefined, sampled: newest, samples };
    }
    const cpuMillis = rate(known.newest, newest);
    if (newest.readAtMs - known.sampled.readAtMs < SAMPLE_EVERY_MS) {
      return { ...fresh, cpuMillis, sampled: known.sampled, samples };
    }
    const atMs = this.clock.nowMs();
    const sample = { atMs, cpuMillis: rate(known.sampled, newest), memoryMib };
    const kept = [...samples, sample].slice(-SAMPLES_MAX);
    return { ...fresh, cpuMillis, sampled: newest, samples: kept };
  }
}

function follows(before: UsageReading, after: UsageReading): boolean {
  return after.readAtMs > before.readAtMs && after.cpuMs >= before.cpuMs;
}

function rate(before: UsageReading, after: UsageReading): number {
  const cpuMs = after.cpuMs - before.cpuMs;
  return Math.round((cpuMs * MS_PER_CPU_MILLI) / (after.readAtMs - before.readAtMs));
}
