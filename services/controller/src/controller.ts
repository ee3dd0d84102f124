/**
 * The controller: a mirror of the store, the commands of the API, and, while it holds the leader
 * lease, the loops. Everything from outside comes through ports, so the simulator runs this very
 * code on virtual time.
 */
import {
  type AgentDirectory,
  type BlobStore,
  type Clock,
  type CommitResult,
  type ControllerRecord,
  DEFAULT_PROJECT_ID,
  type IdSource,
  type LeaderLease,
  type LeaderTerm,
  type Logger,
  type NodeIntroduction,
  type NodeReport,
  type PlacementPolicy,
  type ReportAnswer,
  recordKey,
  type StateStore,
  type Transaction,
  unavailable,
} from "@innkeeper/core";
import type { CommandContext } from "./commands/command-context.js";
import { Leadership } from "./leadership.js";
import { Leading, type LeadingConfig } from "./loops/leading.js";
import { NodeViews } from "./loops/node-views.js";
import { blobHolders } from "./mirror/blob-holders.js";
import { Mirror } from "./mirror/mirror.js";
import { NodeSessions, type SessionConfig } from "./sessions/node-sessions.js";

export interface ControllerConfig extends LeadingConfig, SessionConfig {
  readonly controllerId: string;
  readonly leaderTtlMs: number;
  readonly mirrorWaitMs: number;
  readonly bridgeSubnet?: string;
  readonly placementPolicy?: PlacementPolicy;
}

export interface ControllerPorts {
  readonly store: StateStore;
  readonly lease: LeaderLease;
  readonly blobs: BlobStore;
  readonly agents: AgentDirectory;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
  /** Begins what else only the leader does; the function it returns ends it. */
  readonly whileLeading?: (controller: Controller) => () => void;
}

export interface Controller extends CommandContext {
  readonly config: ControllerConfig;
  readonly blobs: BlobStore;
  readonly agents: AgentDirectory;
  readonly log: Logger;
  readonly sessions: NodeSessions;
  readonly nodeViews: NodeViews;
  readonly store: StateStore;
  /** 0 while another controller leads. */
  readonly leaderEpoch: number;
  join(node: NodeIntroduction): Promise<void>;
  report(report: NodeReport): Promise<ReportAnswer>;
  /** See `ControllerClient.findBlob`. */
  findBlob(sha256: string, nodeId: string): Promise<readonly string[]>;
  /** Tells the other controllers where this one is reached. */
  announce(address: string): Promise<void>;
  /** That controller's process is surely gone: leads in its place without waiting for its lease. */
  depose(leader: ControllerRecord): Promise<void>;
  /**
   * The store has failed over and may be behind: a new term waits out a full lease and hears every
   * agent again before it calls any node lost.
   */
  distrustStore(): Promise<void>;
  /** Lets another controller lead at once; the API goes on. */
  stopLeading(): Promise<void>;
  /** Stops leading, releases the lease. The store is the caller's to close. */
  stop(): Promise<void>;
}

/** Loads the mirror and begins to lead as soon as the lease is granted. */
export async function createController(
  ports: ControllerPorts,
  config: ControllerConfig,
): Promise<Controller> {
  const mirror = new Mirror();
  await mirror.load(ports.store);
  const controller = new RunningController(ports, config, mirror);
  await controller.begin();
  return controller;
}

class RunningController implements Controller {
  readonly store: StateStore;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly blobs: BlobStore;
  readonly agents: AgentDirectory;
  readonly log: Logger;
  sessions: NodeSessions;
  nodeViews: NodeViews;
  #leading: Leading | undefined;
  #address = "";
  #endDuties: () => void = () => undefined;
  readonly #ports: ControllerPorts;
  /** Settles when the newest term has begun, or is over. */
  #beginning: Promise<void> = Promise.resolve();
  readonly #leadership: Leadership;
  readonly #abort = new AbortController();

  constructor(
    ports: ControllerPorts,
    readonly config: ControllerConfig,
    readonly mirror: Mirror,
  ) {
    this.#ports = ports;
    this.store = ports.store;
    this.clock = ports.clock;
    this.ids = ports.ids;
    this.blobs = ports.blobs;
    this.agents = ports.agents;
    this.log = ports.log;
    this.sessions = new NodeSessions(ports.clock, config);
    this.nodeViews = new NodeViews(mirror, undefined, config.placementPolicy);
    this.#leadership = new Leadership({
      ...ports,
      holderId: config.controllerId,
      ttlMs: config.leaderTtlMs,
      onBegin: (term) => {
        this.#beginning = this.#beginTerm(term);
      },
      onEnd: () => this.#stopLeading(),
    });
  }

  get bridgeSubnet(): string | undefined {
    return this.config.bridgeSubnet;
  }

  get leaderEpoch(): number {
    return this.#leadership.term?.epoch ?? 0;
  }

  async begin(): Promise<void> {
    void this.#follow();
    await this.#ensureDefaultProject();
    await this.#leadership.start();
    await this.#beginning;
  }

  async join(node: NodeIntroduction): Promise<void> {
    await this.#leader().join(node);
  }

  async report(report: NodeReport): Promise<ReportAnswer> {
    return await this.#leader().report(report);
  }

  findBlob(sha256: string, nodeId: string): Promise<readonly string[]> {
    return Promise.resolve(blobHolders(this.mirror, sha256, nodeId));
  }

  async announce(address: string): Promise<void> {
    this.#address = address;
    const [result] = await this.store.commitAll([this.#announcement(this.leaderEpoch)]);
    if (result?.isCommitted) await this.#mirrored(result.revision);
  }

  async depose({ id, leaderEpoch }: ControllerRecord): Promise<void> {
    await this.#leadership.depose({ holderId: id, epoch: leaderEpoch });
  }

  async distrustStore(): Promise<void> {
    await this.#leadership.renewTerm();
  }

  async stopLeading(): Promise<void> {
    await this.#leadership.stop();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#leadership.stop();
  }

  #leader(): Leading {
    if (this.#leading === undefined) throw unavailable("leader", "this controller does not lead");
    return this.#leading;
  }

  /** Follows the store for good: what breaks the watch is answered by a new snapshot. */
  async #follow(): Promise<void> {
    const { signal } = this.#abort;
    for (let isBroken = false; !signal.aborted; ) {
      try {
        if (isBroken) await this.mirror.resync(this.store, this.clock.nowMs());
        await this.mirror.follow(this.store, signal);
        return;
      } catch (error) {
        this.log.error({ error }, "the mirror lost the store and loads it again");
        isBroken = true;
      }
      await this.#pause();
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.clock.schedule(this.config.retryMs, resolve);
      this.#abort.signal.addEventListener(
        "abort",
        () => {
          cancel();
          resolve();
        },
        { once: true },
      );
    });
  }

  async #ensureDefaultProject(): Promise<void> {
    if (this.mirror.project(DEFAULT_PROJECT_ID)) return;
    const key = recordKey("project", DEFAULT_PROJECT_ID);
    const nowMs = this.clock.nowMs();
    const value = {
      id: DEFAULT_PROJECT_ID,

      quota: {},
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
    };
    const result = await this.store.commit({
      checks: [{ key, revision: "absent" }],
      puts: [{ key, value }],
      deletes: [],
      counters: [],
    });
    if (result.isCommitted) await this.#mirrored(result.revision);
  }

  /**
   * Nothing is decided before the mirror has all that earlier leaders wrote; a leader that is
   * behind would take a guest placed a moment ago for an orphan. After the first fenced write they
   * write no more.
   */
  async #beginTerm(term: LeaderTerm): Promise<void> {
    while (this.#leadership.term === term) {
      try {
        const [result] = await this.#commitAs(term, [this.#firstWrite(term)]);
        if (result?.isCommitted !== true) return;
        await this.#mirrored(result.revision);
        if (this.#leadership.term === term) this.#lead(term);
        return;
      } catch (error) {
        this.log.warn({ error }, "the new leader cannot catch up with the store and tries again");
      }
      await this.#pause();
    }
  }

  /** Tells the other controllers who leads, once it is known under which address. */
  #firstWrite({ epoch }: LeaderTerm): Transaction {
    if (this.#address !== "") return this.#announcement(epoch);
    return { checks: [], puts: [], deletes: [], counters: [] };
  }

  #lead(term: LeaderTerm): void {
    this.sessions = new NodeSessions(this.clock, this.config);
    this.nodeViews.close();
    this.nodeViews = new NodeViews(this.mirror, this.sessions, this.config.placementPolicy);
    const leader = {
      epoch: term.epoch,
      commitAll: (transactions: readonly Transaction[]) => this.#commitAs(term, transactions),
    };
    const { mirror, clock, ids, log, sessions, nodeViews, agents, config, store } = this;
    const mirrored = (revision: number): Promise<void> => this.#mirrored(revision);
    const context = { mirror, clock, ids, log, leader, mirrored };
    const findRequest = (id: string) => store.findRequest(id);
    const parts = { sessions, nodeViews, agents, config, findRequest };
    this.#leading = new Leading(context, parts);
    this.#leading.start();
    this.#endDuties = this.#ports.whileLeading?.(this) ?? (() => undefined);
  }

  #announcement(leaderEpoch: number): Transaction {
    const { controllerId } = this.config;
    const updatedAtMs = this.clock.nowMs();
    const value = { id: controllerId, address: this.#address, leaderEpoch, updatedAtMs };
    const key = recordKey("controller", controllerId);
    return { checks: [], puts: [{ key, value }], deletes: [], counters: [] };
  }

  async #commitAs(
    term: LeaderTerm,
    transactions: readonly Transaction[],
  ): Promise<readonly CommitResult[]> {
    if (transactions.length === 0) return [];
    const fenced = transactions.map((each) => ({ ...each, leaderEpoch: term.epoch }));
    const results = await this.store.commitAll(fenced);
    const isDeposed = results.some((each) => !each.isCommitted && each.cause.why === "fenced");
    if (isDeposed) this.#leadership.end(term);
    return results;
  }

  #stopLeading(): void {
    this.#endDuties();
    this.#endDuties = () => undefined;
    this.#leading?.stop();
    this.#leading = undefined;
    this.nodeViews.close();
    this.nodeViews = new NodeViews(this.mirror, undefined, this.config.placementPolicy);
  }

  async #mirrored(revision: number): Promise<void> {
    await this.mirror.waitFor(revision, { clock: this.clock, timeoutMs: this.config.mirrorWaitMs });
  }
}
