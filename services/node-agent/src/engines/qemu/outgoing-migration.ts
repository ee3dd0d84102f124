/**
 * Sends one running copy to another QEMU by pre-copy. QEMU uses whatever downtime it is allowed, so
 * the limit starts low and is doubled while the guest writes faster than memory can be sent, up to
 * what the caller allows.
 */
import {
  type Clock,
  DomainError,
  type MigrateOptions,
  type MigrationProgress,
} from "@innkeeper/core";
import type { QmpClient } from "./qmp-client.js";
import type { QmpMigration } from "./qmp-protocol.js";

const DOWNTIME_MS_FIRST = 20;
/** How long a limit is tried before it is doubled. */
const DOWNTIME_TRY_MS = 1_000;
const POLL_MS = 20;
/** More than any network card: the copy is not slowed down. */
const BANDWIDTH_BYTES_PER_S = 100 * 1024 ** 3;

/**
 * Resolves when the whole state has been sent and the guest stands still. @throws `unavailable` or
 * `cancelled`; the guest runs on.
 */
export async function sendMigration(
  qmp: QmpClient,
  clock: Clock,
  { uri, downtimeMsMax, onProgress }: MigrateOptions,
): Promise<MigrationProgress> {
  const limit = new DowntimeLimit(clock, downtimeMsMax);
  await prepare(qmp, limit.ms);
  await qmp.execute("migrate", { uri });
  for (;;) {
    const info = await qmp.execute("query-migrate");
    const progress = progressOf(info);
    onProgress(progress);
    if (info.status === "completed") {
      await untilSent(qmp, clock);
      return progress;
    }
    if (info.status === "failed") throw await failed(qmp, info);
    if (info.status === "cancelled") throw await cancelled(qmp);
    if (limit.raise()) await qmp.execute("migrate-set-parameters", { "downtime-limit": limit.ms });
    await pause(clock);
  }
}

/** The stream is complete a moment before the source says that it stands still for good. */
async function untilSent(qmp: QmpClient, clock: Clock): Promise<void> {
  while ((await qmp.execute("query-status")).status === "finish-migrate") await pause(clock);
}

function pause(clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    clock.schedule(POLL_MS, resolve);
  });
}

class DowntimeLimit {
  #sinceMs: number;
  ms: number;

  constructor(
    private readonly clock: Clock,
    private readonly msMax: number,
  ) {
    this.ms = Math.min(DOWNTIME_MS_FIRST, msMax);
    this.#sinceMs = clock.monotonicMs();
  }

  /** True when it is time for a higher limit, which `ms` then is. */
  raise(): boolean {
    const nowMs = this.clock.monotonicMs();
    if (this.ms >= this.msMax || nowMs - this.#sinceMs < DOWNTIME_TRY_MS) return false;
    this.#sinceMs = nowMs;
    this.ms = Math.min(this.ms * 2, this.msMax);
    return true;
  }
}

async function prepare(qmp: QmpClient, downtimeMs: number): Promise<void> {
  await qmp.execute("migrate-set-capabilities", {
    capabilities: [
      { capability: "events", state: true },
      { capability: "auto-converge", state: true },
    ],
  });
  await qmp.execute("migrate-set-parameters", {
    "downtime-limit": downtimeMs,
    "max-bandwidth": BANDWIDTH_BYTES_PER_S,
  });
}

function progressOf(info: QmpMigration): MigrationProgress {
  return {
    transferredBytes: info.ram?.transferred ?? 0,
    remainingBytes: info.ram?.remaining ?? 0,
    totalBytes: info.ram?.total ?? 0,
    elapsedMs: info["total-time"] ?? 0,
    engineDowntimeMs: info.status === "completed" ? info.downtime : undefined,
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

async function cancelled(qmp: QmpClient): Promise<DomainError> {
  await runOn(qmp);
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
