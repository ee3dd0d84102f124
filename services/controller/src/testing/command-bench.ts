/**
 * For tests of commands and loops: a memory store, a mirror that follows it, virtual time, seeded
 * ids. What the cluster consists of at the start is stated by the test.
 */
import {
  type Guest,
  guestKey,
  type Image,
  type NodeRecord,
  type Operation,
  type Project,
  QUOTA_KINDS,
  quotaCounter,
  type RecordKey,
  type RecordValue,
  recordKey,
  type Transaction,
  takenBy,
  usageOf,
} from "@innkeeper/core";
import {
  aNodeReport,
  anImage,
  aProject,
  aTransaction,
  FakeClock,
  MemoryDisk,
  MemoryStateStore,
  SeededIdSource,
} from "@innkeeper/core/testing";
import type { CommandContext } from "../commands/command-context.js";
import { NodeViews } from "../loops/node-views.js";
import { Mirror } from "../mirror/mirror.js";
import { NodeSessions } from "../sessions/node-sessions.js";

export interface Contents {
  readonly projects?: readonly Project[];
  readonly images?: readonly Image[];
  readonly nodes?: readonly NodeRecord[];
  readonly guests?: readonly Guest[];
  readonly operations?: readonly Operation[];
}

const LEASES = { leaseTtlMs: 8000, leaseMarginMs: 2000 };

export class CommandBench implements CommandContext {
  readonly clock = new FakeClock();
  readonly ids = new SeededIdSource(1);
  readonly store = new MemoryStateStore({ disk: new MemoryDisk(), clock: this.clock });
  readonly mirror = new Mirror();
  readonly sessions = new NodeSessions(this.clock, LEASES);
  readonly nodeViews = new NodeViews(this.mirror, this.sessions);
  readonly #abort = new AbortController();
  #countedAtFirst: ReadonlyMap<string, number> = new Map();
  #reportCount = 0;

  /**
   * The project `default` and the image `tiny` are there unless others are stated; nodes are
   * synced.
   */
  async fill(contents: Contents = {}): Promise<void> {
    const { projects = [aProject()], images = [anImage()], nodes = [] } = contents;
    const records: [RecordKey, RecordValue][] = [
      ...projects.map((each): [RecordKey, RecordValue] => [recordKey("project", each.id), each]),
      ...images.map((each): [RecordKey, RecordValue] => [recordKey("image", each.id), each]),
      ...nodes.map((each): [RecordKey, RecordValue] => [recordKey("node", each.id), each]),
      ...(contents.guests ?? []).map((each): [RecordKey, RecordValue] => [guestKey(each), each]),
      ...(contents.operations ?? []).map((each): [RecordKey, RecordValue] => [
        recordKey("operation", each.id),
        each,
      ]),
    ];
    const puts = records.map(([key, value]) => ({ key, value }));
    const counters = (contents.guests ?? []).flatMap(quotaTaken);
    await this.store.commit(aTransaction({ puts, counters }));
    this.#countedAtFirst = (await this.store.snapshot()).counters;
    await this.mirror.load(this.store);
    for (const node of nodes) this.sync(node);
    void this.mirror.follow(this.store, this.#abort.signal);
  }

  /** The node's agent has joined and told that nothing runs there. */
  sync({ id, incarnation }: NodeRecord): void {
    this.sessions.open(id, incarnation);
    this.#reportCount += 1;
    const sequence = this.#reportCount;
    this.sessions.report(aNodeReport({ nodeId: id, incarnation, sequence, isFull: true }));
  }

  operation(id: string): Operation {
    const found = this.mirror.operation(id);
    if (found === undefined) throw new Error(`no operation ${id}`);
    return found.value;
  }

  guest(id: string): Guest {
    const found = this.mirror.guest("default", id);
    if (found === undefined) throw new Error(`no guest ${id}`);
    return found.value;
  }

  /** What was counted since the bench was filled. */
  async counters(): Promise<Record<string, number>> {
    const { counters } = await this.store.snapshot();
    const changes = [...counters].map(([key, value]): [string, number] => [
      key,
      value - (this.#countedAtFirst.get(key) ?? 0),
    ]);
    return Object.fromEntries(changes.filter(([, change]) => change !== 0));
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.store.close();
  }
}

/** What admission has counted for a guest in its project. */
function quotaTaken(guest: Guest): Transaction["counters"] {
  const usage = usageOf(takenBy(guest));
  return QUOTA_KINDS.map((kind) => ({
    key: quotaCounter(guest.projectId, kind),
    delta: usage[kind],
    max: undefined,
  }));
}

/** A bench with these contents. */
export async function aBench(contents: Contents = {}): Promise<CommandBench> {
  const bench = new CommandBench();
  await bench.fill(contents);
  return bench;
}
