/**
 * What the engine contract needs around an engine: two hosts, ways to let time pass, and a hand
 * that reaches behind the engine's back. For fake time the harness advances the clock; for real
 * time it waits.
 */
import type { CopyRef } from "../../domain/copy.js";
import type { CopyLaunch, Engine, EngineCopy } from "../../ports/engine.js";

/** What the guest of a launch does. */
export type GuestManner =
  /**
   * Runs until told otherwise, printing `beat N` at least once a second; powers off when asked to.
   */
  | "lasting"
  /** Powers off by itself, a second or two after it has started. */
  | "powers-off"
  /** Cannot be launched at all. */
  | "broken";

export interface EngineHarness {
  /**
   * An engine on the first host. Called again after `close`, it is the engine of a restarted agent.
   */
  makeEngine(): Engine;
  /** The same on the second host, which copies of the first can migrate to. */
  makeTargetEngine(): Engine;
  /** A launch of a new guest, always of another uid. */
  launchOf(manner: GuestManner): CopyLaunch;
  /** Awaits the promise while time passes. Rejects when it does not settle in time. */
  settle<T>(promise: Promise<T>): Promise<T>;
  /** Lets time pass until the condition holds. Rejects naming it when it does not hold in time. */
  waitUntil(
    what: string,
    condition: () => Promise<boolean>,
    within?: { readonly ms: number },
  ): Promise<void>;
  /** Lets time pass in which nothing may happen. */
  pass(durationMs: number): Promise<void>;
  /** Ends a copy from outside, as `kill -9` of its process does. */
  killGuest(ref: CopyRef): Promise<void>;
  /** Everything of any copy on both hosts: processes, sockets, files; one line each. */
  leftovers(): Promise<readonly string[]>;
  /** Ends what is still there. */
  dispose(): Promise<void>;
}

/** A test's view of its harness, with the engines it opened. */
export class EngineBench {
  readonly #engines: Engine[] = [];
  readonly engine: Engine;

  constructor(readonly harness: EngineHarness) {
    this.engine = this.open();
  }

  /** The engine of the first host; the earlier one must have been closed. */
  open(): Engine {
    const engine = this.harness.makeEngine();
    this.#engines.push(engine);
    return engine;
  }

  openTarget(): Engine {
    const engine = this.harness.makeTargetEngine();
    this.#engines.push(engine);
    return engine;
  }

  /** Lets go of the engine as an ending agent does, and opens it again. */
  async restart(engine: Engine): Promise<Engine> {
    await this.harness.settle(engine.close());
    return this.open();
  }

  async launch(launch: CopyLaunch = this.harness.launchOf("lasting")): Promise<EngineCopy> {
    return await this.harness.settle(this.engine.launch(launch));
  }

  async adopt(engine: Engine, ref: CopyRef): Promise<EngineCopy | undefined> {
    return await this.harness.settle(engine.adopt(ref));
  }

  async destroy(copy: EngineCopy): Promise<void> {
    await this.harness.settle(copy.destroy());
  }

  /** Everything the copy has printed that is still kept. */
  async consoleOf(copy: EngineCopy): Promise<string> {
    const { bytes } = await this.harness.settle(copy.readConsole(0, CONSOLE_BYTES_MAX));
    return Buffer.from(bytes).toString("latin1");
  }

  /** The number of the last beat on the console, 0 before the first. */
  async lastBeat(copy: EngineCopy): Promise<number> {
    return Number([...(await this.consoleOf(copy)).matchAll(BEAT)].at(-1)?.[1] ?? 0);
  }

  async waitForBeat(copy: EngineCopy, beat: number): Promise<void> {
    await this.harness.waitUntil(`beat ${beat}`, async () => (await this.lastBeat(copy)) >= beat);
  }

  async waitForState(
    copy: EngineCopy,
    wanted: Awaited<ReturnType<EngineCopy["runState"]>>,
  ): Promise<void> {
    await this.harness.waitUntil(
      `run state ${wanted}`,
      async () => (await this.harness.settle(copy.runState())) === wanted,
    );
  }

  async dispose(): Promise<void> {
    for (const engine of this.#engines) await this.harness.settle(engine.close());
    await this.harness.dispose();
  }
}

const CONSOLE_BYTES_MAX = 1024 * 1024;
/** A whole line: a number that is still being printed does not count. */
const BEAT = /beat (\d+)[^\n]*\n/g;
