/**
 * S2 by force: a process that commits is killed fifty times, and each time nothing that it was told
 *    is lost (I5).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execPath } from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { ChangeBatch, Project, StoreSnapshot } from "@innkeeper/core";
import { systemClock } from "@innkeeper/core/platform";
import { aTransaction, Prng } from "@innkeeper/core/testing";
import { build, type Plugin } from "esbuild";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createEmbeddedStore, type EmbeddedStateStore } from "./embedded-state-store.js";

const KILLS = 50;
const ACKS_BEFORE_KILL_MAX = 400;
const CHANGES_KEPT_MAX = 150;

let directory: string;
let program: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "innkeeper-crash-"));
  program = await bundleChild();
});

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
  await rm(program, { force: true });
});

it("loses no acknowledged commit and leaves none half done in fifty kills", async () => {
  const prng = new Prng(20_260_801);
  let revisionBefore = 0;
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const told = await runAndKill(kill, prng.integer(1, ACKS_BEFORE_KILL_MAX));
    const store = createEmbeddedStore({
      directory,
      clock: systemClock,
      changesKeptMax: CHANGES_KEPT_MAX,
    });
    const snapshot = await store.snapshot();
    expect(snapshot.revision).toBeGreaterThanOrEqual(revisionBefore + told.commits.length);
    await expectAllThere(store, told);
    expectWholePairs(snapshot);
    await expectLogWithoutGap(store, snapshot);
    revisionBefore = snapshot.revision + 1;
    await store.close();
  }
});

interface Told {
  readonly epoch: number;
  readonly commits: readonly { readonly revision: number; readonly id: string; answer: string }[];
}

/**
 * Starts the child, kills it after that many acknowledgements, returns all that it said until its
 * end.
 */
async function runAndKill(seed: number, acksMin: number): Promise<Told> {
  const child = spawn(execPath, [program, directory, String(seed)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "close");
  const told = { epoch: 0, commits: [] as { revision: number; id: string; answer: string }[] };
  for await (const line of createInterface({ input: child.stdout })) {
    const [what, number, id = "", answer = ""] = line.split(" ");
    if (what === "epoch") told.epoch = Number(number);
    else told.commits.push({ revision: Number(number), id, answer });
    if (told.commits.length === acksMin) kill(child);
  }
  const [code, signal] = (await ended) as [number | null, string | null];
  expect([code, signal]).toEqual([null, "SIGKILL"]);
  return told;
}

function kill(child: ChildProcess): void {
  child.kill("SIGKILL");
}

async function expectAllThere(store: EmbeddedStateStore, told: Told): Promise<void> {
  for (const { id, answer, revision } of told.commits) {
    const request = { id, body: "pair", answer };
    expect(await store.findRequest(id)).toEqual(request);
    const again = await store.commit(aTransaction({ request }));
    expect(again).toEqual({ isCommitted: true, revision, replayedAnswer: answer });
  }
  const fenced = await store.commit(aTransaction({ leaderEpoch: told.epoch - 1 }));
  expect(fenced).toEqual({
    isCommitted: false,
    cause: { why: "fenced", leaderEpoch: told.epoch },
  });
  expect((await store.commit(aTransaction())).isCommitted).toBe(true);
}

/** Both halves of a pair are of one commit, and the counter is the sum over all pairs. */
function expectWholePairs({ records, counters }: StoreSnapshot): void {
  const halves = new Map(records.map((each) => [each.key as string, each]));
  let sum = 0;
  for (const { key, revision, value } of records) {
    const { quota } = value as Project;
    const other = key.replace(/left|right/, (side) => (side === "left" ? "right" : "left"));
    expect(halves.get(other)).toMatchObject({ revision, value: { quota } });
    if (key.startsWith("project/left")) sum += quota.memoryMib ?? 0;
  }
  expect(counters.get("sum") ?? 0).toBe(sum);
}

/** The log has every revision up to the newest, and says of each record what the record says. */
async function expectLogWithoutGap(
  store: EmbeddedStateStore,
  snapshot: StoreSnapshot,
): Promise<void> {
  const oldest = await store.oldestRevision();
  const batches = await readLog(store, { after: oldest, upTo: snapshot.revision });
  const expected = Array.from({ length: batches.length }, (_, index) => oldest + 1 + index);
  expect(batches.map((each) => each.revision)).toEqual(expected);
  const logged = new Map<string, [number, unknown]>();
  for (const { revision, changes } of batches) {
    for (const { key, value } of changes) logged.set(key, [revision, value]);
  }
  const stored = new Map(snapshot.records.map((each) => [each.key as string, each]));
  for (const [key, [revision, value]] of logged) {
    expect(stored.get(key)?.value).toEqual(value);
    if (value !== undefined) expect(stored.get(key)?.revision).toBe(revision);
  }
}

async function readLog(
  store: EmbeddedStateStore,
  range: { readonly after: number; readonly upTo: number },
): Promise<readonly ChangeBatch[]> {
  const batches: ChangeBatch[] = [];
  for await (const batch of store.changes(range.after, new AbortController().signal)) {
    if (batch === "compacted") throw new Error("the log ends before its own oldest revision");
    batches.push(batch);
    if (batch.revision >= range.upTo) break;
  }
  return batches;
}

/** Only our own workspaces are bundled; the rest is found in `node_modules`, beside the program. */
const npmStaysOutside: Plugin = {
  name: "npm-stays-outside",
  setup: ({ onResolve }) => {
    onResolve({ filter: /^[^./]/ }, ({ path }) =>
      path.startsWith("@innkeeper/") ? undefined : { path, external: true },
    );
  },
};

async function bundleChild(): Promise<string> {
  const root = fileURLToPath(new URL("../../../..", import.meta.url));
  const outfile = join(root, "node_modules", ".cache", `embedded-crash-${process.pid}.mjs`);
  await build({
    entryPoints: [fileURLToPath(new URL("./embedded-crash-child.ts", import.meta.url))],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    plugins: [npmStaysOutside],
    logLevel: "error",
  });
  return outfile;
}
