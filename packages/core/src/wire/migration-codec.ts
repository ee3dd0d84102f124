/** Policies and progress of migrations on the wire. */
import type { MigrationPolicy as ProtoPolicy } from "@innkeeper/proto/innkeeper/v1/guest";
import type {
  MigrationForecast as ProtoForecast,
  MigrationProgress as ProtoProgress,
} from "@innkeeper/proto/innkeeper/v1/operation";
import { MIGRATION_RATES, type MigrationProgress, type MigrationRates } from "../domain/copy.js";
import type { MigrationForecast } from "../domain/migration-forecast.js";
import { MIGRATION_POLICY_DEFAULTS, type MigrationPolicy } from "../domain/migration-policy.js";
import { durationOf, parseDurationMs, parseInteger } from "./numbers.js";

const ANY = { min: 0, max: Number.MAX_SAFE_INTEGER };
export const DOWNTIME_MS_MAX = 60_000;
/** More than 99 would let it stand still. */
export const SLOWDOWN_PERCENT = { min: 0, max: 99 };
const DAY_MS = 86_400_000;
const DEFAULTS = MIGRATION_POLICY_DEFAULTS;

/** Unset parts become the defaults. @throws `invalid` naming the field. */
export function parseMigrationPolicy(field: string, proto: ProtoPolicy): MigrationPolicy {
  const { downtimeMax, slowdownPercentMax = DEFAULTS.slowdownPercentMax, timeout } = proto;
  return {
    downtimeMsMax: parseDurationMs(`${field}.downtime_max`, downtimeMax, {
      min: 1,
      max: DOWNTIME_MS_MAX,
      unset: DEFAULTS.downtimeMsMax,
    }),
    slowdownPercentMax: parseInteger(
      `${field}.slowdown_percent_max`,
      slowdownPercentMax,
      SLOWDOWN_PERCENT,
    ),
    timeoutMs: parseDurationMs(`${field}.timeout`, timeout, {
      min: 1_000,
      max: DAY_MS,
      unset: DEFAULTS.timeoutMs,
    }),
  };
}

export function migrationPolicyToProto(policy: MigrationPolicy): ProtoPolicy {
  return {
    downtimeMax: durationOf(policy.downtimeMsMax),
    slowdownPercentMax: policy.slowdownPercentMax,
    timeout: durationOf(policy.timeoutMs),
  };
}

export function forecastToProto(
  forecast: MigrationForecast | undefined,
): ProtoForecast | undefined {
  if (forecast === undefined) return undefined;
  const { basis, actualTotalMs, ...told } = forecast;
  const { memoryBytes, dirtyBytesPerSecond, bytesPerSecond, samples } = basis;
  return {
    ...told,
    memoryBytes,
    dirtyBytesPerSecond,
    bytesPerSecond,
    samples,
    actualTotalMs,
  };
}

export function progressToProto(
  progress: MigrationProgress | undefined,
): ProtoProgress | undefined {
  if (progress === undefined) return undefined;
  const { transferredBytes, remainingBytes, totalBytes, elapsedMs, engineDowntimeMs } = progress;
  const { bytesPerSecond = 0, dirtyBytesPerSecond = 0, rounds = 0 } = progress;
  const { downtimeLimitMs = 0, slowdownPercent = 0 } = progress;
  return {
    transferredBytes,
    remainingBytes,
    totalBytes,
    elapsedMs,
    engineDowntimeMs,
    bytesPerSecond,
    dirtyBytesPerSecond,
    rounds,
    downtimeLimitMs,
    slowdownPercent,
  };
}

export function parseProgress(proto: ProtoProgress | undefined): MigrationProgress | undefined {
  if (proto === undefined) return undefined;
  const { engineDowntimeMs } = proto;
  return {
    transferredBytes: parseInteger("migration.transferred_bytes", proto.transferredBytes, ANY),
    remainingBytes: parseInteger("migration.remaining_bytes", proto.remainingBytes, ANY),
    totalBytes: parseInteger("migration.total_bytes", proto.totalBytes, ANY),
    elapsedMs: parseInteger("migration.elapsed_ms", proto.elapsedMs, ANY),
    engineDowntimeMs:
      engineDowntimeMs === undefined
        ? undefined
        : parseInteger("migration.engine_downtime_ms", engineDowntimeMs, ANY),
    ...parseRates(proto),
  };
}

const RATE_FIELD: Readonly<Record<keyof MigrationRates, string>> = {
  bytesPerSecond: "bytes_per_second",
  dirtyBytesPerSecond: "dirty_bytes_per_second",
  rounds: "rounds",
  downtimeLimitMs: "downtime_limit_ms",
  slowdownPercent: "slowdown_percent",
};

/** 0 stays unknown. */
function parseRates(proto: ProtoProgress): Partial<MigrationRates> {
  const known = MIGRATION_RATES.filter((rate) => proto[rate] !== 0);
  return Object.fromEntries(
    known.map((rate) => [rate, parseInteger(`migration.${RATE_FIELD[rate]}`, proto[rate], ANY)]),
  );
}
