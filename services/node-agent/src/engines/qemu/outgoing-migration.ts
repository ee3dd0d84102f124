/**
 * Sends one running copy to another QEMU by pre-copy, as far as `nextConvergence` lets it go on.
 */
import {
  beginConvergence,
  type Clock,
  DomainError,
  type MigrateOptions,
  type MigrationProgress,
  nextConvergence,
  whyStalled,
} from "@innkeeper/core";
import type { QmpClient } from "./qmp-client.js";
import type { QmpMigration } from "./qmp-protocol.js";

/** How often QEMU is asked; its events are heard at once. */
const POLL_MS = 50;
/** Each tells the leader, which writes it down. */
const PROGRESS_EVERY_MS = 250;
/** The state of QEMU follows its own event within microseconds. */
const SETTLE_MS = 1;
/** More than any network card: the copy is not slowed down. */
const BANDWIDTH_BYTES_PER_S = 100 * 1024 ** 3;
/** The guest is slowed down in steps of this. */
const SLOWDOWN_STEP_PERCENT = 10;

export interface OutgoingParts {
  readonly qmp: QmpClient;
  readonly clock: Clock;
  /** Resolves at the monitor's next event, or after this time. */
  readonly untilEvent: (timeoutMs: number) => Promise<void>;
}

/**
 * Resolves when the whole state has been sent and the guest stands still. @throws `unavailable`,
 * `cancelled` or `precondition` (MIGRATION_STALLED); the guest runs on.
 */
export async function sendMigration(
  { qmp, clock, untilEvent }: OutgoingParts,
  options: MigrateOptions,
): Promise<MigrationProgress> {
  await prepare(qmp, options);
  await qmp.execute("migrate", { uri: options.uri });
  const watch = new Watch(qmp, clock, options);
  for (;;) {
    const info = await qmp.execute("query-migrate");
    const progress = watch.progressOf(info);
    if (info.status === "completed") {
      await untilSent(qmp, clock);
      return progress;
    }
    if (info.status === "failed") throw await failed(qmp, info);
    if (info.status === "cancelled") throw await cancelled(qmp, watch.stalled);
    if (info.status === "active") await watch.follow(progress);
    await untilEvent(POLL_MS);
  }
}

/** Follows one migration: what it may spend, and what is told of it. */
class Watch {
  #convergence;
  #toldAtMs: number;
  stalled: DomainError | undefined;

  constructor(
    private readonly qmp: QmpClient,
    private readonly clock: Clock,
    private readonly options: MigrateOptions,
  ) {
    this.#convergence = beginConvergence(options);
    this.#toldAtMs = clock.monotonicMs();
  }

  progressOf(info: QmpMigration): MigrationProgress {
    return progressOf(info, this.#convergence.downtimeLimitMs);
  }

  async follow(progress: MigrationProgress): Promise<void> {
    const { downtimeLimitMs: before } = this.#convergence;
    this.#convergence = nextConvergence(this.#convergence, progress, this.options);
    const { downtimeLimitMs } = this.#convergence;
    if (downtimeLimitMs > before) await setDowntime(this.qmp, downtimeLimitMs);
    if (this.stalled === undefined) await this.#giveUpIfStalled(progress);
    const nowMs = this.clock.monotonicMs();
    if (nowMs - this.#toldAtMs < PROGRESS_EVERY_MS) return;
    this.#toldAtMs = nowMs;
    this.options.onProgress(progress);
  }

  async #giveUpIfStalled(progress: MigrationProgress): Promise<void> {
    this.stalled = whyStalled(this.#convergence, progress, this.options);
    if (this.stalled !== undefined) await this.qmp.execute("migrate_cancel");
  }
}

async function setDowntime(qmp: QmpClient, limitMs: number): Promise<void> {
  await qmp.execute("migrate-set-parameters", { "downtime-limit": limitMs });
}

/** The stream is complete a moment before the source says that it stands still for good. */
async function untilSent(qmp: QmpClient, clock: Clock): Promise<void> {
  while ((await qmp.execute("query-status")).status === "finish-migrate") {
    await new Promise<void>((resolve) => {
      clock.schedule(SETTLE_MS, resolve);
    });
  }
}

async function prepare(qmp: QmpClient, options: MigrateOptions): Promise<void> {
  const { slowdownPercentMax } = options;
  const slowsDown = slowdownPercentMax > 0;
  await qmp.execute("migrate-set-capabilities", {
    capabilities: [
      { capability: "events", state: true },
      { capability: "auto-converge", state: slowsDown },
    ],
  });
  const step = Math.min(SLOWDOWN_STEP_PERCENT, slowdownPercentMax);
  await qmp.execute("migrate-set-parameters", {
    "downtime-limit": beginConvergence(options).downtimeLimitMs,
    "max-bandwidth": BANDWIDTH_BYTES_PER_S,
    ...(slowsDown && {
      "cpu-throttle-initial": step,
      "cpu-throttle-increment": step,
      "max-cpu-throttle": slowdownPercentMax,
    }),
  });
}

function progressOf(info: QmpMigration, downtimeLimitMs: number): MigrationProgress {
  const { ram } = info;
  return {
    transferredBytes: ram?.transferred ?? 0,
    remainingBytes: ram?.remaining ?? 0,
    totalBytes: ram?.total ?? 0,
    elapsedMs: info["total-time"] ?? 0,
    engineDowntimeMs: info.status === "completed" ? info.downtime : undefined,
    bytesPerSecond: Math.round(((ram?.mbps ?? 0) * 1_000_000) / 8),
    dirtyBytesPerSecond: (ram?.["dirty-pages-rate"] ?? 0) * (ram?.["page-size"] ?? 0),
    rounds: ram?.["dirty-sync-count"] ?? 0,
    slowdownPercent: info["cpu-throttle-percentage"] ?? 0,
    downtimeLimitMs,
  };
}

async function failed(qmp: QmpClient, info: QmpMigration): Promise<DomainError> {
  await runOn(qmp);
  const why = info["error-desc"] ?? "the other side went away";
  const message = `the migration failed: ${why}`;
  return new DomainError({
    kind: "unavailable",
    reason: "MIGRATION_FAILED",
    message,
    metadata: { why },
  });
}

async function cancelled(qmp: QmpClient, why?: DomainError): Promise<DomainError> {
  await runOn(qmp);
  if (why !== undefined) return why;
  const message = "the migration was cancelled";
  return new DomainError({
    kind: "cancelled",
    reason: "MIGRATION_CANCELLED",
    message,
    metadata: {},
  });
}

/** QEMU starts the vCPUs again by itself in most cases; in the rest it is told to. */
async function runOn(qmp: QmpClient): Promise<void> {
  const { running } = await qmp.execute("query-status");
  if (!running) await qmp.execute("cont");
}
