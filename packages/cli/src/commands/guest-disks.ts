/** `inn guest disk ...`: disks beside the first, which come, grow and go. */
import type { Operation } from "@innkeeper/proto/innkeeper/v1/operation";
import type { Command } from "commander";
import type { CliContext } from "../cli-context.js";
import { followOperation } from "../follow-operation.js";
import { table } from "../output/table.js";
import { parseMib } from "../parse-options.js";
import type { Register } from "./register.js";

export function diskCommands(guest: Command, register: Register): void {
  const disk = guest.command("disk").description("disks of a guest beside its first");
  disk
    .command("set <guest> <disk> <size>")
    .description("give a guest a blank disk, or make one that it has larger")
    .action((guestId: string, name: string, size: string) => {
      register((context) => setDisk(context, guestId, { name, size }));
    });
  disk
    .command("rm <guest> <disk>")
    .description("take a disk from a guest; its content is gone")
    .action((guestId: string, name: string) => {
      register((context) => removeDisk(context, guestId, name));
    });
  disk
    .command("ls <guest>")
    .description("list the disks of a guest")
    .action((guestId: string) => register((context) => listDisks(context, guestId)));
}

async function setDisk(
  context: CliContext,
  guestId: string,
  { name, size }: { readonly name: string; readonly size: string },
): Promise<void> {
  const { client, projectId, requestId } = context;
  const disk = { name, sizeMib: parseMib("<size>", size) };
  const request = { projectId, guestId, disk, requestId };
  await follow(context, guestId, (await client.guests.setGuestDisk(request)).operation);
}

async function removeDisk(context: CliContext, guestId: string, diskName: string): Promise<void> {
  const { client, projectId, requestId } = context;
  const request = { projectId, guestId, diskName, requestId };
  await follow(context, guestId, (await client.guests.removeGuestDisk(request)).operation);
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

async function listDisks({ client, projectId, terminal }: CliContext, guestId: string) {
  const { guest } = await client.guests.getGuest({ projectId, guestId, minRevision: 0 });
  const first = guest?.spec?.resources?.diskMib ?? 0;
  const disks = [
    ...(first > 0 ? [{ name: "(first)", sizeMib: first }] : []),
    ...(guest?.spec?.dataDisks ?? []),
  ];
  const rows = disks.map(({ name, sizeMib }) => [name, `${sizeMib} MiB`]);
  terminal.result(table(["DISK", "SIZE"], rows), disks);
}
