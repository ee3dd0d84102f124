/** `inn guest migrate`, and how a guest may be moved: of `inn guest create` and `inn guest set`. */
import { durationOf } from "@innkeeper/core/wire";
import type { MigrationPolicy } from "@innkeeper/proto/innkeeper/v1/guest";
import { MigrationForecast } from "@innkeeper/proto/innkeeper/v1/operation";
import type { Command } from "commander";
import type { CliContext } from "../cli-context.js";
import { followOperation } from "../follow-operation.js";
import { details } from "../output/table.js";
import { parseCount, parseMs } from "../parse-options.js";
import type { Register } from "./register.js";

export interface MigrationOptions {
  readonly maxDowntime?: string;
  readonly maxSlowdown?: string;
  readonly migrationTimeout?: string;
}

interface MigrateOptions {
  readonly to: string;
  readonly maxDowntime?: string;
  readonly plan?: boolean;
}

export function migrationCommands(guest: Command, register: Register): void {
  guest
    .command("migrate <name>")
    .description("move a running guest to another node while it runs")
    .option("--to <node>", "target; default: the scheduler chooses", "")
    .option("--max-downtime <duration>", "how long it may stand still; default: as its policy says")
    .option("--plan", "only say where it would go, how long that takes and whether it can")
    .action((name: string, options: MigrateOptions) => {
      register((context) => migrateGuest(context, name, options));
    });
  const set = guest.command("set <name>").description("change how a guest may be moved");
  migrationOptions(set).action((name: string, options: MigrationOptions) => {
    register((context) => setPolicy(context, name, options));
  });
}

export function migrationOptions(command: Command): Command {
  return command
    .option("--max-downtime <duration>", "how long a move may let it stand still, such as 100ms")
    .option("--max-slowdown <percent>", "how far a move may slow it down before, 0 to 99")
    .option("--migration-timeout <duration>", "after this time a move is given up, such as 10m");
}

/** What the options name, over what is. Nothing when they name nothing. */
export function migrationPolicyFrom(
  options: MigrationOptions,
  known?: MigrationPolicy,
): { readonly migrationPolicy?: MigrationPolicy } {
  const { maxDowntime, maxSlowdown, migrationTimeout } = options;
  const changes: Partial<MigrationPolicy> = {
    ...(maxDowntime && { downtimeMax: durationOf(parseMs("--max-downtime", maxDowntime)) }),
    ...(maxSlowdown && { slowdownPercentMax: parseCount("--max-slowdown", maxSlowdown) }),
    ...(migrationTimeout && {
      timeout: durationOf(parseMs("--migration-timeout", migrationTimeout)),
    }),
  };
  if (Object.keys(changes).length === 0) return {};
  return { migrationPolicy: { downtimeMax: undefined, timeout: undefined, ...known, ...changes } };
}

async function setPolicy(
  { client, projectId, requestId, terminal }: CliContext,
  name: string,
  options: MigrationOptions,
): Promise<void> {
  const named = { projectId, guestId: name, minRevision: 0 };
  const { guest } = await client.guests.getGuest(named);
  if (guest?.spec === undefined) return;
  const spec = { ...guest.spec, ...migrationPolicyFrom(options, guest.spec.migrationPolicy) };
  const changed = await client.guests.updateGuest({
    guest: { ...guest, spec },
    updateMask: ["spec.migration_policy"],
    requestId,
  });
  const policy = changed.guest?.spec?.migrationPolicy;
  terminal.result(`guest ${name}: ${policyText(policy)}`, { id: name });
}

export function policyText(policy: MigrationPolicy | undefined): string {
  const { downtimeMax, slowdownPercentMax = 0, timeout } = policy ?? {};
  const downtime = `at most ${msOf(downtimeMax)} ms still`;
  const slowdown = `slowed down by at most ${slowdownPercentMax} %`;
  return `${downtime}, ${slowdown}, given up after ${msOf(timeout) / 1000} s`;
}

function forecastText(name: string, forecast: MigrationForecast): string {
  const { sourceNodeId, targetNodeId, willConverge, rounds, totalMs, downtimeMs } = forecast;
  const { dirtyBytesPerSecond: dirty, samples } = forecast;
  const rest = `${downtimeMs} ms still and the handover`;
  const outcome = willConverge
    ? `about ${totalMs} ms in ${rounds} rounds, ${rest}`
    : `it would not come to its end: stalled after ${rounds} rounds, about ${totalMs} ms`;
  const writes = dirty === undefined ? "not measured yet" : `${mib(dirty)} MiB/s`;
  const from = samples === 0 ? "assumed" : `from ${samples} earlier`;
  return details([
    ["guest", `${name}: ${sourceNodeId} -> ${targetNodeId}`],
    ["forecast", outcome],
    ["memory", `${mib(forecast.memoryBytes)} MiB held, ${mib(forecast.transferBytes)} MiB to send`],
    ["writes", writes],
    ["link", `${mib(forecast.bytesPerSecond)} MiB/s (${from})`],
  ]);
}

function mib(bytes: number): number {
  return Math.round(bytes / 1024 ** 2);
}

function msOf(duration: MigrationPolicy["timeout"]): number {
  const { seconds = 0, nanos = 0 } = duration ?? {};
  return seconds * 1000 + Math.round(nanos / 1_000_000);
}

async function migrateGuest(
  context: CliContext,
  name: string,
  { to, maxDowntime, plan = false }: MigrateOptions,
): Promise<void> {
  const { client, projectId, requestId, terminal } = context;
  const { operation, forecast } = await client.guests.migrateGuest({
    projectId,
    guestId: name,
    targetNodeId: to,
    downtimeMsMax: maxDowntime === undefined ? 0 : parseMs("--max-downtime", maxDowntime),
    requestId,
    dryRun: plan,
  });
  if (plan && forecast) {
    return terminal.result(forecastText(name, forecast), MigrationForecast.toJSON(forecast));
  }
  const ended = await followOperation(context, operation);
  if (ended === undefined) return;
  const downtime = ended.migration?.engineDowntimeMs;
  const stood = downtime === undefined ? "" : `, stood still for ${downtime} ms (engine's figure)`;
  const text = `guest ${name}: ${ended.message}${stood}${tookText(ended.forecast)}`;
  terminal.result(text, { operation: ended.id });
}

function tookText(forecast: MigrationForecast | undefined): string {
  if (forecast?.actualTotalMs === undefined) return "";
  return `; took ${forecast.actualTotalMs} ms, ${forecast.totalMs} ms expected`;
}
