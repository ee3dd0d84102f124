/**
 * The process that `embedded-crash.integration.test.ts` kills: commits without end and says on
 * standard output what was acknowledged, one line each, before it goes on. Arguments: directory,
 * seed.
 *
 * Each commit writes both halves of a pair, or deletes both, and keeps a counter equal to the sum
 * over all pairs.
 */
import { writeSync } from "node:fs";
import { argv } from "node:process";
import type { Project, RecordKey, Transaction } from "@innkeeper/core";
import { systemClock } from "@innkeeper/core/platform";
import { aProject, aTransaction, Prng } from "@innkeeper/core/testing";
import { createEmbeddedLeaderLease } from "./embedded-leader-lease.js";
import { createEmbeddedStore, type EmbeddedStateStore } from "./embedded-state-store.js";

const PAIRS = 20;
const CHANGES_KEPT_MAX = 150;
const AMOUNT_MAX = 1000;

interface Pair {
  readonly keys: readonly [RecordKey, RecordKey];
  amount: number;
}

async function main(directory: string, seed: number): Promise<void> {
  const prng = new Prng(seed);
  const store = createEmbeddedStore({
    directory,
    clock: systemClock,
    changesKeptMax: CHANGES_KEPT_MAX,
  });
  const term = await createEmbeddedLeaderLease(store).acquire("child", 60_000);
  say(`epoch ${term?.epoch ?? 0}`);
  const pairs = await loadPairs(store);
  for (let round = 0; ; round += 1) {
    const chosen = prng.shuffle(pairs).slice(0, prng.integer(1, PAIRS));
    const commits = chosen.map((pair, index) => {
      const id = `${seed}-${round}-${index}`;
      const amount = prng.chance(0.3) ? 0 : prng.integer(1, AMOUNT_MAX);
      return commitPair(store, pair, { id, amount });
    });
    await Promise.all(commits);
  }
}

async function loadPairs(store: EmbeddedStateStore): Promise<Pair[]> {
  const { records } = await store.snapshot();
  const amounts = new Map(records.map(({ key, value }) => [key, amountOf(value as Project)]));
  return Array.from({ length: PAIRS }, (_, index) => {
    const keys = [`project/left-${index}`, `project/right-${index}`] as const;
    return { keys, amount: amounts.get(keys[0]) ?? 0 };
  });
}

async function commitPair(
  store: EmbeddedStateStore,
  pair: Pair,
  { id, amount }: { readonly id: string; readonly amount: number },
): Promise<void> {
  const change: Partial<Transaction> =
    amount === 0
      ? { deletes: [...pair.keys] }
      : { puts: pair.keys.map((key) => ({ key, value: projectOf(key, amount) })) };
  const counters = [{ key: "sum", delta: amount - pair.amount, max: undefined }];
  const request = { id, body: "pair", answer: String(amount) };
  const result = await store.commit(aTransaction({ ...change, counters, request }));
  if (!result.isCommitted) throw new Error("a commit without conditions was refused");
  pair.amount = amount;
  say(`commit ${result.revision} ${id} ${amount}`);
}

function projectOf(key: RecordKey, amount: number): Project {
  return aProject({ id: key.slice("project/".length), quota: { memoryMib: amount } });
}

function amountOf(project: Project): number {
  return project.quota.memoryMib ?? 0;
}

/** The line is in the pipe when this returns, whatever happens to the process then. */
function say(line: string): void {
  const bytes = Buffer.from(`${line}\n`);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      // The pipe is full, for its reader is slow: nothing else may happen before it has the line.
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
    }
  }
}

await main(argv[2] ?? "", Number(argv[3]));
