/**
 * Runs one guest on this node: takes assignments, looks at the engine's copy, does what `planCopy`
 * says, until nothing is left to do. One act at a time for each guest.
 *
 * A1 Nothing is done under an assignment before the journal has it (I4).
 * A2 An assignment with a lower intent or epoch than one taken is ignored.
 */
import {
  type AppliedResources,
  afterExit,
  afterLaunch,
  assertNever,
  type CopyAction,
  type CopyExit,
  type CopyPlan,
  type CopyReport,
  type CopyState,
  type CopyView,
  type Engine,
  type EngineCopy,
  type ErrorDetail,
  type GuestAssignment,
  type ImageBlob,
  type JournalEntry,
  type LaunchSize,
  type Logger,
  NEVER_STARTED,
  planCopy,
  type RestartMemory,
  toDomainError,
  type UsageReading,
  unavailable,
} from "@innkeeper/core";
import { BootWatch } from "./boot-watch.js";
import { copyLaunch } from "./copy-launch.js";
import { type CopySources, prepareSources } from "./fetch-image.js";
import { FormerCopy } from "./former-copy.js";
import type { GuestCopies } from "./guest-access.js";
import { GuestDisks } from "./guest-disks.js";
import { OutgoingMigration } from "./outgoing-migration.js";
import { appliedBy, ResourceSetter } from "./resource-setter.js";
import { LOST_COPY, memoryOf } from "./restart-memory.js";
import type { RunnerContext } from "./runner-context.js";

/** Pause after an act that failed, before it is tried again. */
const RETRY_MS = 1_000;
/** Kinds of errors that say nothing of the guest. */
const MAY_PASS: readonly ErrorDetail["kind"][] = ["unavailable", "timeout"];

export class GuestRunner {
  #assignment: GuestAssignment;
  #memory: RestartMemory;
  #copy: EngineCopy | undefined;
  readonly #former: FormerCopy;
  #state: CopyState = "stopped";
  /** Intent of the assignment under which `#state` was found. */
  #shownIntent = -1;
  #durable: Promise<void> = Promise.resolve();
  #isRunning = false;
  #isWanted = false;
  #isClosed = false;
  #cancelWake: () => void = () => undefined;
  #stopAskedAtMs: number | undefined;
  #preparing: AbortController | undefined;
  readonly #disks: GuestDisks;
  #incomingUri: string | undefined;
  #launchedWith: LaunchSize | undefined;
  readonly #resources: ResourceSetter;
  readonly #boot: BootWatch;
  readonly #outgoing = new OutgoingMigration({
    onProgress: () => this.context.onChanged(this.guestUid),
    onEnded: () => this.kick(),
  });

  constructor(
    private readonly context: RunnerContext,
    entry: JournalEntry,
    adopted: EngineCopy | undefined,
  ) {
    this.#assignment = entry.assignment;
    this.#memory = memoryOf(entry);
    this.#launchedWith = entry.launchedWith;
    this.#disks = new GuestDisks(context, entry.restoredEpoch);
    this.#resources = new ResourceSetter(context, () => this.kick());
    this.#boot = new BootWatch(context.clock, entry.bootedEpoch);
    this.#former = new FormerCopy(context.clock);
    if (adopted) this.#attach(adopted);
    else if (entry.launchedEpoch !== undefined) this.#remember(LOST_COPY, entry.launchedEpoch);
  }

  get guestUid(): string {
    return this.#assignment.guestUid;
  }

  get isGone(): boolean {
    return this.#assignment.desired === "absent" && this.report().state === "absent";
  }

  get neededBlobs(): readonly ImageBlob[] {
    return this.isGone ? [] : this.#assignment.image.blobs;
  }

  /**
   * Takes a newer assignment into memory and returns what to journal; undefined when there is
   * nothing new.
   */
  accept(assignment: GuestAssignment): JournalEntry | undefined {
    const known = this.#assignment;
    if (assignment.intent <= known.intent || assignment.epoch < known.epoch) return undefined;
    const isNewCopy = assignment.epoch !== known.epoch;
    if (isNewCopy && assignment.desired !== "absent") this.#memory = NEVER_STARTED;
    this.#assignment = assignment;
    if (assignment.desired === "absent") this.#preparing?.abort();
    this.#stopAskedAtMs = undefined;
    this.#outgoing.renew(assignment.desired);
    this.#resources.retry();
    this.#disks.follow(known, assignment);
    return this.#entry();
  }

  /** Acts on what was accepted as soon as it is durable. */
  proceed(durable: Promise<void>): void {
    this.#durable = durable;
    this.kick();
  }

  kick(): void {
    this.#isWanted = true;
    if (this.#isRunning || this.#isClosed) return;
    this.#isRunning = true;
    void this.#run();
  }

  /** Stops waking up; the guest itself goes on. */
  close(): void {
    this.#isClosed = true;
    this.#cancelWake();
    this.#boot.end();
  }

  report(): CopyReport {
    const { guestUid, epoch, intent, generation } = this.#assignment;
    const { restartCount, startedAtMs, lastExit } = this.#memory;
    return {
      ...{ guestUid, epoch, intent, generation, restartCount, startedAtMs, lastExit },
      state: this.#isNewIntent() ? "taken" : this.#state,
      error: this.#outgoing.error ?? this.#resources.error ?? this.#memory.failure,
      changeError: this.#resources.error ?? this.#disks.error,
      trouble: this.#copy?.trouble,
      incomingUri: this.#state === "incoming" ? this.#incomingUri : undefined,
      migration: this.#outgoing.progress,
      launchedWith: this.#copy && this.#launchedWith,
      clonedPercent: this.#disks.clonedPercent,
    };
  }

  /** Undefined when nothing runs. */
  async usage(): Promise<UsageReading | undefined> {
    const usage = await this.#copy?.usage();
    const readAtMs = Math.floor(this.context.clock.monotonicMs());
    return usage && { guestUid: this.guestUid, ...usage, readAtMs };
  }

  get copies(): GuestCopies {
    return { present: this.#copy, former: this.#former.copy };
  }

  async #run(): Promise<void> {
    while (this.#isWanted && !this.#isClosed) {
      this.#isWanted = false;
      try {
        await this.#turn();
      } catch (error) {
        this.#log().warn({ error }, "an act on a guest failed and is tried again");
        this.#wakeAt(this.context.clock.nowMs() + RETRY_MS);
      }
    }
    this.#isRunning = false;
  }

  async #turn(): Promise<void> {
    this.#cancelWake();
    const assignment = this.#assignment;
    await this.#journaled();
    const view = await this.#view();
    // A newer one that came meanwhile is not in the journal yet (A1); its own turn follows.
    if (this.#assignment !== assignment) return;
    const plan = planCopy(view);
    this.#show(plan);
    if (plan.action !== undefined) {
      await this.#do(plan.action);
      this.#isWanted = true;
    } else if (plan.wakeAtMs !== undefined) {
      this.#wakeAt(plan.wakeAtMs);
    }
  }

  /** What the journal did not take is tried again: the leader does not send it twice. */
  async #journaled(): Promise<void> {
    const durable = this.#durable;
    try {
      await durable;
    } catch {
      await this.context.journal.put([this.#entry()]);
      if (this.#durable === durable) this.#durable = Promise.resolve();
    }
  }

  async #view(): Promise<CopyView> {
    const seen = this.#copy;
    const run = await seen?.runState();
    // Its end is remembered before the next start is planned: restarts are counted.
    if (run === "ended") await seen?.ended;
    const copy = this.#copy;
    // An adopted copy listens where it did, but this process has not heard where.
    if (run === "incoming") this.#incomingUri ??= await copy?.listen();
    return {
      assignment: this.#assignment,
      memory: this.#memory,
      copy: copy && run && run !== "ended" ? { epoch: copy.ref.epoch, run } : undefined,
      isSending: this.#outgoing.isUnderWay,
      sendError: this.#outgoing.error,
      stopAskedAtMs: this.#stopAskedAtMs,
      ...this.#resources.view,
      ...this.#disks.view,
      nowMs: this.context.clock.nowMs(),
    };
  }

  #show({ state }: CopyPlan): void {
    if (state === this.#state && !this.#isNewIntent()) return;
    this.#log().info({ from: this.#state, state }, "a copy changed its state");
    this.#state = state;
    this.#shownIntent = this.#assignment.intent;
    this.context.onChanged(this.guestUid);
  }

  /** Names the guest, and the operation that asked for what is done now. */
  #log(): Logger {
    const { guestUid, guestId, operationId } = this.#assignment;
    return this.context.log.child({ guestUid, guestId, operationId });
  }

  #isNewIntent(): boolean {
    return this.#shownIntent !== this.#assignment.intent;
  }

  async #do(action: CopyAction): Promise<void> {
    const [copy, assignment] = [this.#copy, this.#assignment];
    switch (action) {
      case "launch":
        return await this.#launch(false);
      case "launch-incoming":
        return await this.#launch(true);
      case "resume":
        return await copy?.resume();
      case "pause":
        return await copy?.pause();
      case "request-shutdown":
        this.#stopAskedAtMs = this.context.clock.nowMs();
        return await copy?.requestShutdown();
      case "destroy":
        return await this.#destroy();
      case "remove-disks":
        return await this.#disks.removeAll(this.guestUid);
      case "settle-disks":
        return await this.#disks.settle(assignment, () => this.#assignment === assignment);
      case "migrate":
        return this.#migrate();
      case "cancel-migration":
        return await this.#outgoing.cancel(copy);
      case "set-resources":
        if (copy !== undefined) this.#resources.begin(copy, assignment);
        return;
      default:
        return assertNever(action, "copy action");
    }
  }

  async #launch(isIncoming: boolean): Promise<void> {
    const assignment = this.#assignment;
    const sources = await this.#prepare(assignment);
    if (this.#assignment !== assignment) return;
    const { restoredEpoch } = this.#disks;
    this.#memory = afterLaunch(this.#memory, assignment, this.context.clock.nowMs());
    try {
      const prepared = { ...(await sources()), isIncoming };
      const launch = this.#boot.expect(copyLaunch(assignment, prepared));
      this.#disks.restoredEpoch = assignment.restore?.epoch;
      this.#launchedWith = { vcpuCount: launch.vcpuCount, memoryMib: launch.memoryMib };
      await this.context.journal.put([{ ...this.#entry(), launchedEpoch: assignment.epoch }]);
      const copy = await this.#engine().launch(launch);
      this.#attach(copy, appliedBy(assignment));
      if (isIncoming) this.#incomingUri = await this.#copy?.listen();
    } catch (error) {
      const { message } = toDomainError(error);
      this.#log().warn({ error }, "a launch failed");
      this.#disks.restoredEpoch = restoredEpoch;
      await this.#copy?.destroy();
      await this.#end({ reason: "engine-error", message }, assignment.epoch);
    }
  }

  /**
   * Blobs that nobody can give now are asked for again, for as long as it takes: that says nothing
   * of the guest. Anything else that is wrong with them or its disks fails the launch.
   */
  async #prepare(assignment: GuestAssignment): Promise<() => Promise<CopySources>> {
    this.#disks.expect();
    const restore = this.#disks.restoreDue(assignment);
    this.#preparing = new AbortController();
    const { signal } = this.#preparing;
    const preparing = this.#disks.tellCloned(assignment, (onProgress) =>
      prepareSources(this.context, assignment, { restore, signal, onProgress }),
    );
    try {
      await preparing;
    } catch (error) {
      if (MAY_PASS.includes(toDomainError(error).kind)) throw error;
    }
    return () => preparing;
  }

  #engine(): Engine {
    const { engine } = this.#assignment;
    const found = this.context.engines.get(engine);
    if (found === undefined) throw unavailable("engine", `${engine} is not on this node`);
    return found;
  }

  #attach(copy: EngineCopy, applied?: AppliedResources): void {
    this.#copy = copy;
    this.#resources.attach(copy, applied);
    this.#boot.begin(copy, this.#assignment.image.ready);
    copy.onChange(() => this.kick());
    copy.onTrouble?.(() => this.context.onChanged(this.guestUid));
    void copy.ended.then((exit) => this.#onEnded(copy, exit));
  }

  async #onEnded(copy: EngineCopy, exit: CopyExit): Promise<void> {
    if (this.#copy !== copy) return;
    this.#copy = undefined;
    this.#former.keep(copy, { isForGood: this.#assignment.desired !== "absent" });
    try {
      await this.#end(this.#boot.toldOf(copy, exit), copy.ref.epoch);
    } catch (error) {
      // Without the note in the journal, the next process finds the copy gone by itself.
      this.#log().warn({ error }, "an end was not journaled");
    }
    this.kick();
  }

  async #end(exit: CopyExit, epoch: number): Promise<void> {
    this.#copy = undefined;
    this.#incomingUri = undefined;
    this.#remember(exit, epoch);
    await this.context.journal.put([this.#entry()]);
  }

  /** The end of a copy of an earlier epoch says nothing about the present one. */
  #remember(exit: CopyExit, epoch: number): void {
    if (epoch !== this.#assignment.epoch) return;
    const nowMs = this.context.clock.nowMs();
    this.#memory =
      exit.reason === "destroyed"
        ? { ...this.#memory, lastExit: exit, restartAtMs: undefined }
        : afterExit(this.#memory, this.#assignment, { exit, nowMs });
  }

  async #destroy(): Promise<void> {
    const copy = this.#copy;
    await copy?.destroy();
    await copy?.ended;
  }

  #migrate(): void {
    const { migrateTo } = this.#assignment;
    if (this.#copy === undefined || migrateTo === undefined) return;
    this.#outgoing.begin(this.#copy, migrateTo);
  }

  #wakeAt(atMs: number): void {
    const { clock } = this.context;
    this.#cancelWake = clock.schedule(Math.max(0, atMs - clock.nowMs()), () => this.kick());
  }

  #entry(): JournalEntry {
    return {
      assignment: this.#assignment,
      launchedEpoch: this.#copy?.ref.epoch,
      launchedWith: this.#launchedWith,
      ...this.#memory,
      restoredEpoch: this.#disks.restoredEpoch,
      bootedEpoch: this.#boot.epoch,
      updatedAtMs: this.context.clock.nowMs(),
    };
  }
}
