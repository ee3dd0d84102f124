/**
 * The stores: commits per second and their latency on Redis and embedded, against an empty script
 * on the same Redis, one at a time and with many writers at once; and how long the controller's
 * mirror of a large cluster takes to load, and what it holds.
 *
 * A commit is one compare-and-set put of a guest's record with one bounded counter. `@N` = N
 * writers that each ask again as soon as they are answered; `@256x4` = 1024 writers, whose commits
 * travel in four full calls. Redis does not rewrite its log meanwhile.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Guest, guestKey, type StateStore, type Transaction } from "@innkeeper/core";
import { randomIdSource, systemClock } from "@innkeeper/core/platform";
import { aGuest, aTransaction } from "@innkeeper/core/testing";
import { Mirror } from "../../services/controller/src/mirror/mirror.js";
import { createEmbeddedStore } from "../../services/controller/src/store/embedded-state-store.js";
import {
  createRedisStore,
  type RedisStore,
} from "../../services/controller/src/store/redis/create-redis-store.js";
import { EmptyScript } from "../../services/controller/src/testing/empty-script.js";
import { RedisProcess } from "../../services/controller/src/testing/redis-process.js";
import { againstBaseline, type Bench, type BenchResult } from "./report.js";
import { quantile, rounded } from "./statistics.js";

const WRITERS = [1, 64, 1024];
/** What one call of the commit script carries at most. */
const CALL_TRANSACTIONS_MAX = 256;
const ROUNDS = 5;
const WARM_UP_MS = 500;
const MEASURED_MS = 1500;
const GUESTS = 100_000;
const FILL_AT_ONCE = 1000;
const CHANGES_KEPT_MAX = 10_000;
const MIRROR_OF = "--mirror-of=";

export const store: Bench = {
  name: "store",
  about: "commits/s and latency on Redis and embedded, against an empty script; mirror of 100,000",
  run: async (say) => {
    const url = process.argv.find((each) => each.startsWith(MIRROR_OF))?.slice(MIRROR_OF.length);
    return url === undefined ? await measureAll(say) : await measureMirror(url);
  },
};

async function measureAll(say: (line: string) => void): Promise<BenchResult[]> {
  return [
    ...(await withRedis("everysec", (redis) => measureRedis(redis, say))),
    ...(await withRedis("always", (redis) => measureDurable(redis, say))),
    ...(await measureEmbedded(say)),
    ...(await withRedis("everysec", (redis) => fillAndMirror(redis, say))),
  ];
}

async function withRedis<T>(
  sync: "everysec" | "always",
  work: (redis: RedisProcess) => Promise<T>,
): Promise<T> {
  const settings = ["appendonly yes", `appendfsync ${sync}`, "auto-aof-rewrite-percentage 0"];
  const redis = await RedisProcess.start({ settings });
  try {
    return await work(redis);
  } finally {
    await redis.remove();
  }
}

function openRedis(url: string): Promise<RedisStore> {
  return createRedisStore({
    servers: { url },
    clock: systemClock,
    ids: randomIdSource,
    changesKeptMax: CHANGES_KEPT_MAX,
  });
}

async function measureRedis(
  redis: RedisProcess,
  say: (line: string) => void,
): Promise<BenchResult[]> {
  const opened = await openRedis(redis.url);
  const empty = await EmptyScript.open(redis.port);
  const results: BenchResult[] = [];
  for (const writers of WRITERS) {
    say(`redis (everysec), ${writers} at once, in turn with an empty script`);
    const ours = committer(opened.store);
    const measured = await inTurn(writers, { ours, raw: () => empty.run() });
    results.push(...told(`redis-raw@${writers}`, measured.raw));
    results.push(...told(`redis@${writers}`, measured.ours, measured.raw.perSecond));
  }
  empty.close();
  await opened.close();
  return results;
}

async function measureDurable(
  redis: RedisProcess,
  say: (line: string) => void,
): Promise<BenchResult[]> {
  const opened = await openRedis(redis.url);
  const results: BenchResult[] = [];
  for (const writers of WRITERS) {
    say(`redis (always), ${writers} at once`);
    const measured = await alone(writers, committer(opened.store));
    const calls = writers / CALL_TRANSACTIONS_MAX;
    const name = calls > 1 ? `${CALL_TRANSACTIONS_MAX}x${calls}` : String(writers);
    results.push(...told(`redis-always@${name}`, measured));
  }
  await opened.close();
  return results;
}

async function measureEmbedded(say: (line: string) => void): Promise<BenchResult[]> {
  const directory = mkdtempSync(path.join(tmpdir(), "innkeeper-bench-"));
  const embedded = createEmbeddedStore({
    directory,
    clock: systemClock,
    changesKeptMax: CHANGES_KEPT_MAX,
  });
  const results: BenchResult[] = [];
  for (const writers of WRITERS) {
    say(`embedded, ${writers} at once`);
    const measured = await alone(writers, committer(embedded));
    results.push(...told(`embedded@${writers}`, measured));
  }
  await embedded.close();
  rmSync(directory, { recursive: true });
  return results;
}

type Once = (writer: number) => Promise<void>;

interface Measured {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** The middle one of several rounds, `raw` and `ours` in turn: no machine is always the same. */
async function inTurn(
  writers: number,
  { ours, raw }: { readonly ours: Once; readonly raw: Once },
): Promise<{ readonly ours: Measured; readonly raw: Measured }> {
  const rounds: { ours: Measured; raw: Measured }[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    rounds.push({ raw: await measure(writers, raw), ours: await measure(writers, ours) });
  }
  return {
    ours: middleOf(rounds.map((each) => each.ours)),
    raw: middleOf(rounds.map((each) => each.raw)),
  };
}

async function alone(writers: number, once: Once): Promise<Measured> {
  const rounds: Measured[] = [];
  for (let round = 0; round < ROUNDS; round += 1) rounds.push(await measure(writers, once));
  return middleOf(rounds);
}

function middleOf(rounds: readonly Measured[]): Measured {
  const ordered = [...rounds].sort((left, right) => left.perSecond - right.perSecond);
  return ordered[ordered.length >> 1] as Measured;
}

/** That many writers, each of which asks again as soon as it is answered. */
async function measure(writers: number, once: Once): Promise<Measured> {
  const startsAtMs = performance.now() + WARM_UP_MS;
  const endsAtMs = startsAtMs + MEASURED_MS;
  const latencies: number[] = [];
  const write = async (writer: number): Promise<void> => {
    for (let askedMs = performance.now(); askedMs < endsAtMs; ) {
      await once(writer);
      const nowMs = performance.now();
      if (askedMs >= startsAtMs && nowMs <= endsAtMs) latencies.push(nowMs - askedMs);
      askedMs = nowMs;
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  return {
    perSecond: Math.round((latencies.length * 1000) / MEASURED_MS),
    p50Ms: rounded(quantile(latencies, 0.5), 3),
    p99Ms: rounded(quantile(latencies, 0.99), 3),
  };
}

/** Each writer changes a guest of its own. */
function committer(target: StateStore): Once {
  const revisions = new Map<number, number>();
  const guests: Guest[] = [];
  const run = randomIdSource.uuid().slice(0, 8);
  return async (writer) => {
    const known = revisions.get(writer);
    guests[writer] ??= guestCalled(`${run}-${writer}`);
    const result = await target.commit(putGuest(guests[writer], known ?? "absent"));
    if (!result.isCommitted) throw new Error(`refused: ${result.cause.why}`);
    revisions.set(writer, result.revision);
  };
}

function guestCalled(id: string): Guest {
  return aGuest({ id, uid: randomIdSource.uuid(), onNode: "n1" });
}

function putGuest(value: Guest, revision: number | "absent"): Transaction {
  const key = guestKey(value);
  const delta = revision === "absent" ? 1 : 0;
  return aTransaction({
    checks: [{ key, revision }],
    puts: [{ key, value }],
    counters: [{ key: "node/n1/memoryMib", delta, max: 2 ** 40 }],
  });
}

function told(name: string, measured: Measured, baseline?: number): BenchResult[] {
  const rate = { name, value: measured.perSecond, unit: "commits/s" };
  return [
    baseline === undefined ? rate : againstBaseline({ ...rate, baseline }),
    { name: `${name}:p50`, value: measured.p50Ms, unit: "ms" },
    { name: `${name}:p99`, value: measured.p99Ms, unit: "ms" },
  ];
}

async function fillAndMirror(
  redis: RedisProcess,
  say: (line: string) => void,
): Promise<BenchResult[]> {
  say(`mirror of ${GUESTS} guests, in a process of its own`);
  const opened = await openRedis(redis.url);
  for (let first = 0; first < GUESTS; first += FILL_AT_ONCE) {
    const ids = Array.from({ length: FILL_AT_ONCE }, (_, index) => `g${first + index}`);
    await opened.store.commitAll(ids.map((id) => putGuest(guestCalled(id), "absent")));
  }
  await opened.close();
  const [, program = ""] = process.argv;
  const args = [program, store.name, `${MIRROR_OF}${redis.url}`];
  const output = execFileSync(process.execPath, args, { encoding: "utf8" });
  const last = output.trim().split("\n").at(-1) ?? "";
  return (JSON.parse(last) as { results: BenchResult[] }).results;
}

async function measureMirror(url: string): Promise<BenchResult[]> {
  const opened = await openRedis(url);
  const mirror = new Mirror();
  const startedMs = performance.now();
  await mirror.load(opened.store);
  const loadedMs = rounded(performance.now() - startedMs);
  if (mirror.guests().length !== GUESTS) throw new Error("the mirror has every guest");
  const rssMib = rounded(process.memoryUsage.rss() / 2 ** 20);
  await opened.close();
  return [
    { name: "mirror-load-ms", value: loadedMs, unit: "ms" },
    { name: "mirror-rss-mib", value: rssMib, unit: "MiB" },
  ];
}
