/** `inn guest snapshot ...` and `inn guest restore`. */
import { Snapshot } from "@innkeeper/proto/innkeeper/v1/guest";
import type { Operation } from "@innkeeper/proto/innkeeper/v1/operation";
import type { Command } from "commander";
import type { CliContext } from "../cli-context.js";
import { followOperation } from "../follow-operation.js";
import { age, table } from "../output/table.js";
import { exportCommand } from "./guest-export.js";
import type { Register } from "./register.js";

export function snapshotCommands(guest: Command, register: Register): void {
  exportCommand(guest, register);
  const snapshot = guest.command("snapshot").description("what a guest's disks held at a moment");
  snapshot
    .command("create <guest> <name>")
    .description("take a snapshot of all disks of a guest")
    .option("--memory", "with its memory: the guest stands still meanwhile")
    .action((guestId: string, name: string, { memory }: { memory?: boolean }) => {
      register((context) => take(context, { guestId, name, memory: memory === true }));
    });
  snapshot
    .command("rm <guest> <name>")
    .description("remove a snapshot")
    .action((guestId: string, name: string) => {
      register((context) => remove(context, guestId, name));
    });
  snapshot
    .command("ls <guest>")
    .description("list the snapshots of a guest")
    .action((guestId: string) => register((context) => list(context, guestId)));
  guest
    .command("clone <guest> <name>")
    .description("make a guest like another, whose disks begin as those of that one")
    .option("--snapshot <name>", "as they were then; default: as they are, for which it must stop")
    .action((guestId: string, cloneId: string, options: { snapshot?: string }) => {
      register((context) => clone(context, { guestId, cloneId, ...options }));
    });
  guest
    .command("restore <guest> <snapshot>")
    .description("end a guest and start it as it was; what it wrote since is lost")
    .option("--disks-only", "boot from the disks, also where there is memory")
    .action((guestId: string, name: string, { disksOnly }: { disksOnly?: boolean }) => {
      register((context) => restore(context, { guestId, name, disksOnly: disksOnly === true }));
    });
}

async function take(
  context: CliContext,
  { guestId, name, memory }: { guestId: string; name: string; memory: boolean },
): Promise<void> {
  const { client, projectId, requestId } = context;
  const request = { projectId, guestId, snapshotName: name, memory, requestId };
  await follow(context, guestId, (await client.guests.takeSnapshot(request)).operation);
}

async function remove(context: CliContext, guestId: string, snapshotName: string): Promise<void> {
  const { client, projectId, requestId } = context;
  const request = { projectId, guestId, snapshotName, requestId };
  await follow(context, guestId, (await client.guests.removeSnapshot(request)).operation);
}

async function restore(
  context: CliContext,
  { guestId, name, disksOnly }: { guestId: string; name: string; disksOnly: boolean },
): Promise<void> {
  const { client, projectId, requestId } = context;
  const request = { projectId, guestId, snapshotName: name, disksOnly, requestId };
  await follow(context, guestId, (await client.guests.restoreSnapshot(request)).operation);
}

async function clone(
  context: CliContext,
  { guestId, cloneId, snapshot }: { guestId: string; cloneId: string; snapshot?: string },
): Promise<void> {
  const { client, projectId, requestId } = context;
  const request = { projectId, guestId, cloneId, snapshotName: snapshot ?? "", requestId };
  await follow(context, cloneId, (await client.guests.cloneGuest(request)).operation);
}

async function follow(
  context: CliContext,
  guestId: string,
  operation: Operation | undefined,
): Promise<void> {
  const ended = await followOperation(context, operation);
  if (!ended) return;
  context.terminal.result(`guest ${guestId}: ${ended.message}`, { operation: ended.id });
}

async function list(context: CliContext, guestId: string): Promise<void> {
  const { client, projectId, terminal, nowMs } = context;
  const { guest } = await client.guests.getGuest({ projectId, guestId, minRevision: 0 });
  const snapshots = guest?.status?.snapshots ?? [];
  const rows = snapshots.map(({ name, memory, sizeMib, createTime }) => [
    name,
    memory ? "disks, memory" : "disks",
    `${sizeMib} MiB`,
    age(createTime, nowMs()),
  ]);
  const shown = snapshots.map((each) => Snapshot.toJSON(each));
  terminal.result(table(["SNAPSHOT", "OF", "HOLDS", "AGE"], rows), shown);
}
