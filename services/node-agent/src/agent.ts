/**
 * A node agent: adopts what runs, takes assignments from the leader, reports. Everything from
 * outside comes through ports, so the simulator runs this very code on virtual time.
 */
import {
  type ApplyAssignments,
  type ConsoleChunk,
  type ConsoleGrant,
  type ConsoleWriter,
  type CopyRef,
  type CopyReport,
  conflict,
  type DiskPiece,
  type EngineCopy,
  type ExecOutput,
  type ExecRequest,
  type GuestAssignment,
  type IdSource,
  type JournalEntry,
  NEVER_STARTED,
  type NodeIntroduction,
  notFound,
  type UsageReading,
} from "@innkeeper/core";
import { writeConsoleOf } from "./runner/console-writer.js";
import { exportDiskOf } from "./runner/export-disk.js";
import { execIn, type GuestCopies, readConsoleOf } from "./runner/guest-access.js";
import { GuestRunner } from "./runner/guest-runner.js";
import { Reporter, type ReporterConfig } from "./runner/reporter.js";
import type { RunnerContext } from "./runner/runner-context.js";
import { strayEntry } from "./runner/stray-disks.js";

export interface AgentConfig extends ReporterConfig {
  readonly node: Omit<NodeIntroduction, "abilities" | "problems" | "incarnation">;
  /** How long a tombstone is kept. */
  readonly tombstoneKeptMs: number;
  /** Blobs of images that are kept beside those in use; undefined = they are not this agent's. */
  readonly imageCacheBytesMax?: number;
}

export interface AgentPorts extends Omit<RunnerContext, "onChanged" | "imageCache" | "nodeId"> {
  readonly ids: IdSource;
}

export interface Agent {
  /** See `AgentClient.apply`. */
  apply(request: ApplyAssignments): Promise<readonly CopyReport[]>;
  /** See `AgentClient.readConsole`. */
  readConsole(guestUid: string, offset: number, bytesMax: number): Promise<ConsoleChunk>;
  /** See `AgentClient.writeConsole`. */
  writeConsole(
    writer: ConsoleWriter,
    input: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): AsyncIterable<ConsoleGrant>;
  /** See `AgentClient.exec`. */
  exec(guestUid: string, request: ExecRequest, signal: AbortSignal): AsyncIterable<ExecOutput>;
  /** See `AgentClient.exportDisk`. */
  exportDisk(guestUid: string, snapshotUid: string, signal: AbortSignal): AsyncIterable<DiskPiece>;
  readonly introduction: NodeIntroduction;
  /** How many guests were running already when this agent started. */
  readonly adoptedCount: number;
  /** Reports no more and lets go of the guests, which go on running. */
  stop(): Promise<void>;
}

/** Adopts what runs on this host, finds out what it can do, joins the cluster. */
export async function createAgent(ports: AgentPorts, config: AgentConfig): Promise<Agent> {
  const agent = new RunningAgent(ports, config);
  await agent.adoptAll();
  await agent.probe();
  agent.begin();
  return agent;
}

class RunningAgent implements Agent {
  readonly #runners = new Map<string, GuestRunner>();
  readonly #context: RunnerContext;
  readonly #reporter: Reporter;
  #leaderEpoch = 0;
  adoptedCount = 0;
  introduction: NodeIntroduction;

  constructor(
    private readonly ports: AgentPorts,
    private readonly config: AgentConfig,
  ) {
    const incarnation = ports.ids.uuid();
    this.introduction = { ...config.node, abilities: [], problems: [], incarnation };
    for (const { templates } of ports.engines.values()) templates?.onChange(() => this.#tell());
    const { imageCacheBytesMax: bytesMax } = config;
    this.#context = {
      ...ports,
      nodeId: config.node.id,
      onChanged: (uid) => this.#reporter.changed(uid),
      ...(bytesMax !== undefined && {
        imageCache: { bytesMax, inUse: () => this.#blobsInUse() },
      }),
    };
    this.#reporter = new Reporter({
      ...ports,
      config,
      introduction: () => this.introduction,
      reportOf: (uid) => this.#runners.get(uid)?.report(),
      reportAll: () => this.#reportAll(),
      readUsage: () => this.#readUsage(),
    });
  }

  async adoptAll(): Promise<void> {
    const { journal } = this.ports;
    const { leaderEpoch, entries } = await journal.load();
    this.#leaderEpoch = leaderEpoch;
    const kept = await this.#dropOldTombstones(entries);
    const left = await this.#listCopies();
    for (const entry of kept) {
      const adopted = await this.#adopt(entry, left);
      if (adopted) this.adoptedCount += 1;
      this.#runners.set(entry.assignment.guestUid, new GuestRunner(this.#context, entry, adopted));
    }
    for (const { ref, engine } of left.values()) {
      this.ports.log.warn({ ...ref }, "removing a copy that no journal entry explains");
      await (await engine.adopt(ref))?.destroy();
    }
    await this.#findStrayDisks();
  }

  async probe(): Promise<void> {
    const probes = [];
    for (const engine of this.ports.engines.values()) probes.push(await engine.probe());
    const abilities = probes.flatMap((each) => each.abilities);
    const problems = probes.flatMap((each) => each.problems);
    this.introduction = { ...this.introduction, abilities, problems };
  }

  /** What guests can begin from is part of how the node introduces itself. */
  #tell(): void {
    const engines = [...this.ports.engines.values()];
    const templates = engines.flatMap((each) => each.templates?.list() ?? []);
    this.introduction = { ...this.introduction, templates };
    this.#reporter.introduceAgain();
  }

  begin(): void {
    for (const runner of this.#runners.values()) runner.kick();
    this.#reporter.start();
  }

  async apply(order: ApplyAssignments): Promise<readonly CopyReport[]> {
    const { leaderEpoch, assignments, leaderAddress } = order;
    if (leaderAddress !== undefined && leaderEpoch >= this.#leaderEpoch) {
      this.ports.controller.learn?.(leaderAddress);
    }
    await this.#checkLeader(leaderEpoch);
    const entries: JournalEntry[] = [];
    const accepted: GuestRunner[] = [];
    for (const assignment of assignments) {
      const runner = this.#runners.get(assignment.guestUid);
      const entry = runner
        ? runner.accept(assignment)
        : newEntry(assignment, this.ports.clock.nowMs());
      if (entry === undefined) continue;
      entries.push(entry);
      accepted.push(runner ?? this.#addRunner(entry));
    }
    const durable = entries.length > 0 ? this.ports.journal.put(entries) : Promise.resolve();
    for (const runner of accepted) runner.proceed(durable);
    await durable;
    return assignments.map(({ guestUid }) => this.#reportFor(guestUid));
  }

  async readConsole(guestUid: string, offset: number, bytesMax: number): Promise<ConsoleChunk> {
    return await readConsoleOf(this.#copiesOf(guestUid), offset, bytesMax);
  }

  async *writeConsole(
    writer: ConsoleWriter,
    input: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): AsyncGenerator<ConsoleGrant> {
    const { present: copy } = this.#copiesOf(writer.guestUid);
    yield* writeConsoleOf({ copy, writer }, input, signal);
  }

  async *exec(
    guestUid: string,
    request: ExecRequest,
    signal: AbortSignal,
  ): AsyncGenerator<ExecOutput> {
    yield* execIn(this.#copiesOf(guestUid), request, signal);
  }

  async *exportDisk(
    guestUid: string,
    snapshotUid: string,
    signal: AbortSignal,
  ): AsyncGenerator<DiskPiece> {
    if (!this.#runners.has(guestUid)) throw notFound("copy", guestUid);
    yield* exportDiskOf(this.ports, { guestUid, snapshotUid }, signal);
  }

  async stop(): Promise<void> {
    this.#reporter.stop();
    for (const runner of this.#runners.values()) runner.close();
    for (const engine of this.ports.engines.values()) await engine.close();
    await this.ports.journal.close();
    this.ports.controller.close();
  }

  async #checkLeader(leaderEpoch: number): Promise<void> {
    const seen = this.#leaderEpoch;
    if (leaderEpoch < seen) {
      throw conflict("LEADER_FENCED", `leader epoch ${leaderEpoch} is over, ${seen} was seen`, {
        leaderEpoch: String(leaderEpoch),
        seen: String(seen),
      });
    }
    if (leaderEpoch === seen) return;
    this.#leaderEpoch = leaderEpoch;
    await this.ports.journal.putLeaderEpoch(leaderEpoch);
    this.#reporter.hurry();
  }

  #copiesOf(guestUid: string): GuestCopies {
    const runner = this.#runners.get(guestUid);
    if (runner === undefined) throw notFound("copy", guestUid);
    return runner.copies;
  }

  #addRunner(entry: JournalEntry): GuestRunner {
    const runner = new GuestRunner(this.#context, entry, undefined);
    this.#runners.set(entry.assignment.guestUid, runner);
    return runner;
  }

  async #findStrayDisks(): Promise<void> {
    for (const guestUid of await this.ports.disks.list()) {
      if (this.#runners.has(guestUid)) continue;
      this.ports.log.warn({ guestUid }, "the journal does not know the guest of these disks");
      this.#addRunner(strayEntry(guestUid, this.ports.clock.nowMs()));
    }
  }

  #blobsInUse(): ReadonlySet<string> {
    const needed = [...this.#runners.values()].flatMap((runner) => runner.neededBlobs);
    return new Set(needed.map(({ sha256 }) => sha256));
  }

  #reportFor(guestUid: string): CopyReport {
    const report = this.#runners.get(guestUid)?.report();
    if (report === undefined) throw notFound("copy", guestUid);
    return report;
  }

  #reportAll(): readonly CopyReport[] {
    return [...this.#runners.values()].map((runner) => runner.report());
  }

  async #readUsage(): Promise<readonly UsageReading[]> {
    const readings = await Promise.all([...this.#runners.values()].map((each) => each.usage()));
    return readings.filter((each) => each !== undefined);
  }

  async #dropOldTombstones(entries: readonly JournalEntry[]): Promise<JournalEntry[]> {
    const oldest = this.ports.clock.nowMs() - this.config.tombstoneKeptMs;
    const isOld = (entry: JournalEntry): boolean =>
      entry.assignment.desired === "absent" &&
      entry.launchedEpoch === undefined &&
      entry.updatedAtMs < oldest;
    const old = entries.filter(isOld).map((entry) => entry.assignment.guestUid);
    if (old.length > 0) await this.ports.journal.drop(old);
    return entries.filter((entry) => !isOld(entry));
  }

  async #listCopies() {
    const found = new Map<string, { ref: CopyRef; engine: AgentPortsEngine }>();
    for (const engine of this.ports.engines.values()) {
      for (const ref of await engine.list()) found.set(copyKey(ref), { ref, engine });
    }
    return found;
  }

  async #adopt(
    entry: JournalEntry,
    left: Map<string, { ref: CopyRef; engine: AgentPortsEngine }>,
  ): Promise<EngineCopy | undefined> {
    const { guestUid } = entry.assignment;
    for (const [key, { ref, engine }] of left) {
      if (ref.guestUid !== guestUid) continue;
      const isOurs = ref.epoch === entry.launchedEpoch || ref.epoch === entry.assignment.epoch;
      if (!isOurs) continue;
      left.delete(key);
      return await engine.adopt(ref);
    }
    return undefined;
  }
}

type AgentPortsEngine = AgentPorts["engines"] extends ReadonlyMap<string, infer E> ? E : never;

function copyKey({ guestUid, epoch }: CopyRef): string {
  return `${guestUid}.${epoch}`;
}

function newEntry(assignment: GuestAssignment, nowMs: number): JournalEntry {
  return {
    assignment,
    launchedEpoch: undefined,
    launchedWith: undefined,
    ...NEVER_STARTED,
    updatedAtMs: nowMs,
  };
}
