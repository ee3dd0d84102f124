/**
 * Tells the controller what runs here: everything after each join, then what changes, coalesced,
 * and a heartbeat that renews the node's lease. One report is on its way at a time.
 */
import {
  type Clock,
  type ControllerClient,
  type CopyReport,
  copiesDigest,
  type Logger,
  type NodeIntroduction,
  type UsageReading,
} from "@innkeeper/core";

export interface ReporterConfig {
  readonly heartbeatMs: number;
  /** Pause before joining or reporting again after a failure. */
  readonly retryMs: number;
}

export interface ReporterParts {
  readonly controller: ControllerClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly config: ReporterConfig;
  readonly introduction: () => NodeIntroduction;
  readonly reportOf: (guestUid: string) => CopyReport | undefined;
  readonly reportAll: () => readonly CopyReport[];
  readonly readUsage: () => Promise<readonly UsageReading[]>;
}

export class Reporter {
  readonly #changed = new Set<string>();
  #hasJoined = false;
  #isFullDue = true;
  #sequence = 0;
  #usageReadAtMs = Number.NEGATIVE_INFINITY;
  #isBusy = false;
  #isHurried = false;
  /** What the node says of itself has changed since it was told. */
  #isNew = false;
  #isStopped = false;
  #wasReached = true;
  #cancelNext: () => void = () => undefined;

  constructor(private readonly parts: ReporterParts) {}

  start(): void {
    this.#soon();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelNext();
  }

  /** The report of a guest has changed. */
  changed(guestUid: string): void {
    this.#changed.add(guestUid);
    if (this.#hasJoined) this.#soon();
  }

  /** The node has something else to say of itself. */
  introduceAgain(): void {
    this.#isNew = true;
    if (this.#hasJoined) this.#soon();
  }

  /** There is a new leader, which knows nothing of this node yet. */
  hurry(): void {
    this.#isHurried = true;
    this.#soon();
  }

  #soon(): void {
    if (this.#isBusy || this.#isStopped) return;
    this.#isBusy = true;
    this.#cancelNext();
    queueMicrotask(() => void this.#work());
  }

  async #work(): Promise<void> {
    const { config, log } = this.parts;
    let nextMs = config.heartbeatMs;
    this.#isHurried = false;
    try {
      if (!this.#hasJoined || this.#isNew) await this.#join();
      await this.#report();
      if (!this.#wasReached) log.info({}, "the controller answers again");
      this.#wasReached = true;
      if (
        !this.#hasJoined ||
        this.#isNew ||
        this.#isFullDue ||
        this.#isHurried ||
        this.#changed.size > 0
      )
        nextMs = 0;
    } catch (error) {
      if (this.#wasReached) log.warn({ error }, "the controller does not answer, trying again");
      this.#wasReached = false;
      nextMs = config.retryMs;
    }
    this.#isBusy = false;
    if (nextMs === 0) this.#soon();
    else if (!this.#isStopped) {
      this.#cancelNext = this.parts.clock.schedule(nextMs, () => this.#soon());
    }
  }

  async #join(): Promise<void> {
    this.#isNew = false;
    await this.parts.controller.join(this.parts.introduction());
    this.#hasJoined = true;
    this.#isFullDue = true;
  }

  /** Once for each heartbeat, however often something else is told. */
  async #usage(): Promise<readonly UsageReading[]> {
    const { clock, config, readUsage, log } = this.parts;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#usageReadAtMs < config.heartbeatMs) return [];
    this.#usageReadAtMs = nowMs;
    try {
      return await readUsage();
    } catch (error) {
      log.debug({ error }, "what guests take cannot be read");
      return [];
    }
  }

  async #report(): Promise<void> {
    const { controller, introduction, reportOf, reportAll, log } = this.parts;
    const { id: nodeId, incarnation } = introduction();
    const usage = await this.#usage();
    const uids = [...this.#changed];
    this.#changed.clear();
    const isFull = this.#isFullDue;
    const all = reportAll();
    const some = uids.map(reportOf).filter((each) => each !== undefined);
    const copies = isFull ? all : some;
    const digest = copiesDigest(all);
    try {
      this.#sequence += 1;
      const sequence = this.#sequence;
      const answer = await controller.report({
        nodeId,
        incarnation,
        sequence,
        isFull,
        copies,
        digest,
        usage,
      });
      this.#isFullDue = answer.wantsFull;
      if (answer.wantsFull) log.warn({}, "the leader knows something else of this node");
      if (answer.mustJoin) this.#hasJoined = false;
    } catch (error) {
      this.#isFullDue = true;
      throw error;
    }
  }
}
