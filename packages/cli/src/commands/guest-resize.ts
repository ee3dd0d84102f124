/** `inn guest resize`, and the limits that it shares with `inn guest create`. */
import type { GuestLimits } from "@innkeeper/core";
import type { Command } from "commander";
import type { CliContext } from "../cli-context.js";
import { followOperation } from "../follow-operation.js";
import { parseCount, parseCpu, parseMib } from "../parse-options.js";
import type { Register } from "./register.js";

/** "10MiB" a second → bytes. */
const BYTES_PER_MIB = 1024 * 1024;

export interface LimitOptions {
  readonly diskIops?: string;
  readonly diskRate?: string;
  readonly pids?: string;
  readonly netIn?: string;
  readonly netOut?: string;
}

interface ResizeOptions extends LimitOptions {
  readonly cpu?: string;
  readonly memory?: string;
  readonly disk?: string;
}

export function resizeCommand(guest: Command, register: Register): void {
  guest
    .command("resize <name>")
    .description("change what a guest may use, while it runs where that is possible")
    .option("--cpu <cpus>", "CPUs, such as 1 or 500m")
    .option("--memory <size>", "memory, such as 128MiB")
    .option("--disk <size>", "its first disk, which only grows")
    .option("--disk-iops <count>", "reads and writes a second at most; 0 = no limit")
    .option("--disk-rate <bytes>", "bytes read and written a second at most, such as 10MiB")
    .option("--pids <count>", "processes of a container at most")
    .option("--net-in <bytes>", "bytes that come to it a second at most, such as 10MiB")
    .option("--net-out <bytes>", "bytes that it sends a second at most; both on a bridge only")
    .action((name: string, options: ResizeOptions) => {
      register((context) => resizeGuest(context, name, options));
    });
}

/** What is named, as the wire has it. */
export function limitsOf(options: LimitOptions): Partial<GuestLimits> {
  const { diskIops, diskRate, pids, netIn, netOut } = options;
  return {
    ...(diskIops && { diskIopsMax: parseCount("--disk-iops", diskIops) }),
    ...(diskRate && { diskBytesPerSecondMax: parseRate("--disk-rate", diskRate) }),
    ...(pids && { pidsMax: parseCount("--pids", pids) }),
    ...(netIn && { netInBytesPerSecondMax: parseRate("--net-in", netIn) }),
    ...(netOut && { netOutBytesPerSecondMax: parseRate("--net-out", netOut) }),
  };
}

function parseRate(option: string, text: string): number {
  return BYTES_PER_MIB * parseMib(option, text);
}

async function resizeGuest(
  context: CliContext,
  name: string,
  { cpu, memory, disk, ...limits }: ResizeOptions,
): Promise<void> {
  const { client, projectId, requestId, terminal } = context;
  const { operation } = await client.guests.resizeGuest({
    projectId,
    guestId: name,
    cpuMillis: cpu === undefined ? undefined : parseCpu("--cpu", cpu),
    memoryMib: memory === undefined ? undefined : parseMib("--memory", memory),
    diskMib: disk === undefined ? undefined : parseMib("--disk", disk),
    ...limitsOf(limits),
    requestId,
  });
  const ended = await followOperation(context, operation);
  if (ended) terminal.result(`guest ${name}: ${ended.message}`, { operation: ended.id });
}
