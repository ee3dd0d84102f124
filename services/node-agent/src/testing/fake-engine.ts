/**
 * An engine for tests: copies do what they are told at once, end when the test says so, and fail
 * when it says so.
 */
import type {
  ConsoleInput,
  CopyDisk,
  CopyExit,
  CopyLaunch,
  CopyRef,
  CopyResources,
  CopyRunState,
  CopySnapshot,
  CopyUsage,
  Engine,
  EngineCopy,
  ExecOutput,
  ExecRequest,
  MigrateOptions,
  MigrationProgress,
} from "@innkeeper/core";
import { DomainError } from "@innkeeper/core";

export class FakeEngine implements Engine {
  readonly copies: FakeCopy[] = [];
  readonly launches: CopyLaunch[] = [];
  /** What was done, in order, e.g. `launch 1`, `pause 1`. */
  readonly acts: string[] = [];
  /** Thrown by the next launch. */
  launchError: Error | undefined;

  probe(): ReturnType<Engine["probe"]> {
    return Promise.resolve({ abilities: [], problems: ["it is a fake"] });
  }

  async launch(launch: CopyLaunch): Promise<EngineCopy> {
    this.acts.push(`launch ${launch.epoch}`);
    const error = this.launchError;
    this.launchError = undefined;
    if (error !== undefined) throw error;
    this.launches.push(launch);
    return this.place(launch, launch.isIncoming ? "incoming" : "running");
  }

  /** A copy that is there without this process having launched it. */
  place(ref: CopyRef, state: CopyRunState): FakeCopy {
    const copy = new FakeCopy({ guestUid: ref.guestUid, epoch: ref.epoch }, state, this.acts);
    this.copies.push(copy);
    return copy;
  }

  adopt(ref: CopyRef): Promise<EngineCopy | undefined> {
    this.acts.push(`adopt ${ref.epoch}`);
    return Promise.resolve(this.living().find((copy) => isSame(copy.ref, ref)));
  }

  list(): Promise<readonly CopyRef[]> {
    return Promise.resolve(this.living().map((copy) => copy.ref));
  }

  living(): FakeCopy[] {
    return this.copies.filter((copy) => copy.state !== "ended");
  }

  /** The newest copy that lives. */
  get newest(): FakeCopy {
    const copy = this.living().at(-1);
    if (copy === undefined) throw new Error("no copy lives");
    return copy;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

export class FakeCopy implements EngineCopy {
  readonly pid = undefined;
  readonly ended: Promise<CopyExit>;
  #resolveEnded: (exit: CopyExit) => void = () => undefined;
  #listener: () => void = () => undefined;
  #onTrouble: () => void = () => undefined;
  trouble: EngineCopy["trouble"];
  /** Snapshots fail with it. */
  snapshotError: DomainError | undefined;
  /** Changes of resources wait for `endResize`. */
  isSlowToResize = false;
  #resizing: { resolve: () => void; reject: (e: Error) => void } | undefined;
  #migration: { resolve: (p: MigrationProgress) => void; reject: (e: Error) => void } | undefined;

  constructor(
    readonly ref: CopyRef,
    public state: CopyRunState,
    private readonly acts: string[],
  ) {
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  runState(): Promise<CopyRunState> {
    return Promise.resolve(this.state);
  }

  onChange(listener: () => void): void {
    this.#listener = listener;
  }

  onTrouble(listener: () => void): void {
    this.#onTrouble = listener;
  }

  meetTrouble(trouble: EngineCopy["trouble"]): void {
    this.trouble = trouble;
    this.#onTrouble();
  }

  pause(): Promise<void> {
    return this.#become("pause", "paused");
  }

  resume(): Promise<void> {
    return this.#become("resume", "running");
  }

  setResources({ cpuMillis, memoryMib }: CopyResources): Promise<void> {
    this.#note(`set ${cpuMillis}m ${memoryMib}MiB`);
    return new Promise((resolve, reject) => {
      this.#resizing = { resolve, reject };
      if (!this.isSlowToResize) resolve();
    });
  }

  setDisks(disks: readonly CopyDisk[]): Promise<void> {
    if (disks.length > 0) this.#note(`disks ${disks.map(({ name }) => name).join(" ")}`);
    return Promise.resolve();
  }

  takeSnapshot({ statePath }: CopySnapshot): Promise<void> {
    this.#note(`snapshot${statePath === undefined ? "" : " with memory"}`);
    const error = this.snapshotError;
    return error === undefined ? Promise.resolve() : Promise.reject(error);
  }

  removeSnapshot(): Promise<void> {
    this.#note("remove snapshot");
    return Promise.resolve();
  }

  /** The change that is under way is made, or cannot be. */
  endResize(error?: DomainError): void {
    if (error) this.#resizing?.reject(error);
    else this.#resizing?.resolve();
  }

  usage(): Promise<CopyUsage | undefined> {
    return Promise.resolve({ cpuMs: 1000, memoryMib: 64 });
  }

  requestShutdown(): Promise<void> {
    this.#note("shutdown");
    return Promise.resolve();
  }

  destroy(): Promise<void> {
    this.#note("destroy");
    this.end({ reason: "destroyed", message: "destroyed" });
    return Promise.resolve();
  }

  listen(): Promise<string> {
    return Promise.resolve("tcp:fake:1");
  }

  migrate({ uri }: MigrateOptions): Promise<MigrationProgress> {
    this.#note(`migrate to ${uri}`);
    return new Promise((resolve, reject) => {
      this.#migration = { resolve, reject };
    });
  }

  cancelMigration(): Promise<void> {
    this.#note("cancel");
    this.failSending("cancelled");
    return Promise.resolve();
  }

  readConsole(offset: number): Promise<{ bytes: Uint8Array; nextOffset: number }> {
    return Promise.resolve({ bytes: Buffer.from("console"), nextOffset: offset + 7 });
  }

  openConsole(): Promise<ConsoleInput> {
    this.#note("open console");
    return Promise.resolve({
      isTerminal: true,
      write: (bytes) => Promise.resolve(this.#note(`type ${Buffer.from(bytes).toString()}`)),
      close: () => this.#note("close console"),
    });
  }

  /** Says what it was asked, then goes on until it is told to stop. */
  async *exec({ words }: ExecRequest, signal: AbortSignal): AsyncGenerator<ExecOutput> {
    this.#note(`exec ${words.join(" ")}`);
    yield { kind: "stdout", bytes: Buffer.from(words.join(" ")) };
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    yield { kind: "exit", code: 0, isCut: false };
  }

  /** The copy ends by itself. */
  end(exit: CopyExit): void {
    this.state = "ended";
    this.#resolveEnded(exit);
  }

  /** The engine has noticed something: the state is what it is now. */
  change(state: CopyRunState): void {
    this.state = state;
    this.#listener();
  }

  sent(progress: MigrationProgress): void {
    this.state = "sent";
    this.#migration?.resolve(progress);
  }

  failSending(why: string): void {
    const detail = {
      kind: "unavailable",
      reason: "SEND_FAILED",
      message: why,
      metadata: {},
    } as const;
    this.#migration?.reject(new DomainError(detail));
  }

  #become(act: string, state: CopyRunState): Promise<void> {
    this.#note(act);
    this.state = state;
    return Promise.resolve();
  }

  #note(act: string): void {
    this.acts.push(`${act} ${this.ref.epoch}`);
  }
}

function isSame(left: CopyRef, right: CopyRef): boolean {
  return left.guestUid === right.guestUid && left.epoch === right.epoch;
}
