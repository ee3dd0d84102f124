/**
 * How fast a guest writes to its memory, measured now and then: QEMU compares a sample of the
 * pages with what they were a second before, which costs the guest nothing.
 *
 * D1 Nobody waits for QEMU: what is told is what was measured last.
 */
import type { Clock } from "@innkeeper/core";
import type { QmpClient } from "./qmp-client.js";

const MEASURE_EVERY_MS = 20_000;
const MEASURED_S = 1;
const SAMPLE_PAGES_PER_GIB = 1024;
const MIB = 1024 ** 2;
/** QEMU looks at no less in one piece. */
const MEMORY_MIB_MIN = 128;

export class DirtyRate {
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #isBusy = false;
  #bytesPerSecond: number | undefined;

  constructor(private readonly parts: { readonly qmp: QmpClient; readonly clock: Clock }) {}

  /**
   * What was measured last; undefined before, and for a guest that is too small. Each call looks
   * for what has been measured since, and begins anew when that is long ago.
   */
  look(): number | undefined {
    if (!this.#isBusy) void this.#refresh();
    return this.#bytesPerSecond;
  }

  async #refresh(): Promise<void> {
    this.#isBusy = true;
    try {
      await this.#take();
    } catch {
      // The copy has ended, or its QEMU cannot: nothing is known then.
    }
    this.#isBusy = false;
  }

  async #take(): Promise<void> {
    const { qmp, clock } = this.parts;
    const told = await qmp.execute("query-dirty-rate");
    if (told.status === "measuring") return;
    if (told["dirty-rate"] !== undefined) this.#bytesPerSecond = told["dirty-rate"] * MIB;
    if (clock.monotonicMs() - this.#askedAtMs < MEASURE_EVERY_MS) return;
    this.#askedAtMs = clock.monotonicMs();
    const { "base-memory": bytes } = await qmp.execute("query-memory-size-summary");
    if (bytes < MEMORY_MIB_MIN * MIB) return;
    const how = { "calc-time": MEASURED_S, "sample-pages": SAMPLE_PAGES_PER_GIB };
    await qmp.execute("calc-dirty-rate", how);
  }
}
