/** `inn queue`: who waits for a place. */

import type { Duration } from "@innkeeper/proto/google/protobuf/duration";
import {
  GetPlacementQueueResponse,
  type QueuedGuest,
  type QueuedProject,
} from "@innkeeper/proto/innkeeper/v1/cluster_service";
import type { Command } from "commander";
import type { CliContext } from "../cli-context.js";
import { table } from "../output/table.js";
import { parseCount } from "../parse-options.js";
import type { Register } from "./register.js";

export function queueCommand(program: Command, register: Register): void {
  program
    .command("queue")
    .description("guests that wait for a place, in the order in which they are asked")
    .option("--guests <count>", "show so many", "50")
    .action((options: { guests: string }) => {
      register((context) => show(context, parseCount("--guests", options.guests)));
    });
}

async function show({ client, terminal }: CliContext, guestsMax: number): Promise<void> {
  const queue = await client.cluster.getPlacementQueue({ guestsMax });
  const { guestsWaiting: count, longestWait, projects, guests } = queue;
  const json = GetPlacementQueueResponse.toJSON(queue);
  if (count === 0) return terminal.result("no guest waits for a place", json);
  const some = `${count} ${count === 1 ? "guest waits" : "guests wait"} for a place`;
  const lines = [
    `${some}, the longest for ${text(longestWait)}`,
    table(["PROJECT", "WAITING", "HOLDS", "LONGEST"], projects.map(projectRow)),
    table(["GUEST", "PRIORITY", "NOW", "WAITED", "WHY"], guests.map(guestRow)),
  ];
  terminal.result(lines.join("\n"), json);
}

function projectRow({ projectId, guestsWaiting, shareBasisPoints, longestWait }: QueuedProject) {
  const share = `${(shareBasisPoints / 100).toFixed(2)} %`;
  return [projectId, String(guestsWaiting), share, text(longestWait)];
}

function guestRow({ projectId, guestId, priority, agedPriority, waited, message }: QueuedGuest) {
  const name = `${projectId}/${guestId}`;
  return [name, String(priority), String(agedPriority), text(waited), message || "not asked yet"];
}

function text(duration: Duration | undefined): string {
  const seconds = Number(duration?.seconds ?? 0);
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${seconds % 60}s`;
  return `${Math.floor(seconds / 3600)}h${Math.floor((seconds % 3600) / 60)}m`;
}
