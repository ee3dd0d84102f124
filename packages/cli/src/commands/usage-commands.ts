/** `inn top`. */
import { setTimeout as pause } from "node:timers/promises";
import { GuestUsage } from "@innkeeper/proto/innkeeper/v1/guest";
import type { Command } from "commander";
import { allPages, PAGE_SIZE } from "../all-pages.js";
import type { CliContext } from "../cli-context.js";
import { table } from "../output/table.js";
import type { Register } from "./register.js";

const REFRESH_MS = 2_000;
/** Clears a terminal and begins at its top. */
const CLEAR = "\u001b[2J\u001b[H";

export function usageCommands(program: Command, register: Register): void {
  program
    .command("top")
    .description("the guests that take the most CPU time now")
    .option("--once", "print once and end")
    .action(({ once }: { once?: boolean }) => {
      register((context) => top(context, once === true));
    });
}

/** Of the project, or of all when none is given. */
async function top(context: CliContext, isOnce: boolean): Promise<void> {
  const { terminal, signal } = context;
  for (;;) {
    const usages = await allUsages(context);
    if (!isOnce) terminal.write(CLEAR);
    terminal.result(
      usageTable(usages),
      usages.map((each) => GuestUsage.toJSON(each)),
    );
    if (isOnce) return;
    await pause(REFRESH_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
  }
}

async function allUsages({ client, projectId }: CliContext): Promise<GuestUsage[]> {
  const usages = await allPages(async (pageToken) => {
    const request = { projectId, pageSize: PAGE_SIZE, pageToken };
    const { usages: items, nextPageToken } = await client.guests.listGuestUsage(request);
    return { items, nextPageToken };
  });
  return [...usages].sort((a, b) => (b.cpuMillis ?? 0) - (a.cpuMillis ?? 0));
}

export function usageTable(usages: readonly GuestUsage[]): string {
  const header = ["NAME", "NODE", "CPU", "OF", "MEMORY", "OF"];
  const rows = usages.map((each) => [
    `${each.projectId}/${each.guestId}`,
    each.nodeId,
    each.cpuMillis === undefined ? "-" : `${each.cpuMillis}m`,
    `${each.limits?.cpuMillis ?? 0}m`,
    `${each.memoryMib}MiB`,
    `${each.limits?.memoryMib ?? 0}MiB`,
  ]);
  return table(header, rows);
}
