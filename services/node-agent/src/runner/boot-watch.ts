/**
 * Whether a guest comes up: waits for what its image prints then, and counts only the time in which
 * it runs. A copy that a former agent launched is watched again, with all of the time: what it has
 * printed is still there. One that was received, or began as a snapshot with memory, is not: it has
 * been up.
 */
import type { Clock, CopyExit, CopyLaunch, EngineCopy, ReadySign } from "@innkeeper/core";

const POLL_MS = 250;
const READ_BYTES = 64 * 1024;

export class BootWatch {
  #epoch: number | undefined;
  #copy: EngineCopy | undefined;
  #offset = 0;
  #tail = "";
  #ranForMs = 0;
  #late: CopyExit | undefined;
  #cancel: () => void = () => undefined;

  constructor(
    private readonly clock: Clock,
    epoch: number | undefined,
  ) {
    this.#epoch = epoch;
  }

  /** Whose copy has begun by booting. */
  get epoch(): number | undefined {
    return this.#epoch;
  }

  /** A copy is about to begin so. @returns it. */
  expect(launch: CopyLaunch): CopyLaunch {
    const goesOn = launch.isIncoming || launch.restore?.statePath !== undefined;
    this.#epoch = goesOn ? undefined : launch.epoch;
    return launch;
  }

  /** Ends the copy when it is late; `toldOf` says so then. */
  begin(copy: EngineCopy, ready: ReadySign | undefined): void {
    this.end();
    if (ready === undefined || copy.ref.epoch !== this.#epoch) return;
    [this.#copy, this.#offset, this.#tail, this.#ranForMs] = [copy, 0, "", 0];
    this.#later(copy, ready);
  }

  /** How the copy ended: by our hand, if it was late. */
  toldOf(copy: EngineCopy, exit: CopyExit): CopyExit {
    const isOurs = this.#copy === copy && exit.reason === "destroyed";
    const told = (isOurs ? this.#late : undefined) ?? exit;
    if (this.#copy === copy) this.end();
    return told;
  }

  end(): void {
    this.#cancel();
    [this.#copy, this.#late] = [undefined, undefined];
  }

  #later(copy: EngineCopy, ready: ReadySign): void {
    this.#cancel = this.clock.schedule(POLL_MS, () => void this.#look(copy, ready));
  }

  async #look(copy: EngineCopy, ready: ReadySign): Promise<void> {
    try {
      const isUp = await this.#isUp(copy, ready.text);
      const run = await copy.runState();
      if (this.#copy !== copy) return;
      if (isUp) return this.end();
      if (run === "running") this.#ranForMs += POLL_MS;
      if (this.#ranForMs < ready.withinMs) return this.#later(copy, ready);
      this.#late = lateBy(ready);
      await copy.destroy();
    } catch {
      // A copy that cannot be looked at has ended, or is looked at again.
      if (this.#copy === copy) this.#later(copy, ready);
    }
  }

  /** What is no longer kept was printed by a guest that prints much: it is up. */
  async #isUp(copy: EngineCopy, text: string): Promise<boolean> {
    for (;;) {
      const { bytes, nextOffset } = await copy.readConsole(this.#offset, READ_BYTES);
      if (nextOffset - bytes.length > this.#offset) return true;
      this.#offset = nextOffset;
      const seen = this.#tail + latin1(bytes);
      if (seen.includes(text)) return true;
      this.#tail = seen.slice(-text.length);
      if (bytes.length === 0) return false;
    }
  }
}

function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

function lateBy({ text, withinMs }: ReadySign): CopyExit {
  const message = `it did not print ${JSON.stringify(text)} within ${withinMs} ms and was ended`;
  return { reason: "boot-timeout", message };
}
