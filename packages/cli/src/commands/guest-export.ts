/** `inn guest export`: a guest's first disk as a file here, or as an image of the cluster. */
import { mkdtemp, open, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { importImage, readImageSource } from "@innkeeper/client";
import { invalidField, noExport, parseName } from "@innkeeper/core";
import { ImageKind } from "@innkeeper/proto/innkeeper/v1/image";
import type { Command } from "commander";
import type { CliContext } from "../cli-context.js";
import type { Register } from "./register.js";

const MIB = 1024 * 1024;
const DISK = "disk.qcow2";

export interface ExportOptions {
  readonly to?: string;
  readonly image?: string;
  readonly snapshot?: string;
}

export function exportCommand(guest: Command, register: Register): void {
  guest
    .command("export <guest>")
    .description("copy the first disk of a guest that stands still, or of a snapshot (qcow2)")
    .option("--to <file>", "into a file here")
    .option("--image <name>", "as an image of the cluster, if a guest can boot from it")
    .option("--snapshot <name>", "as it was then; default: as it is, for which the guest must stop")
    .action((guestId: string, options: ExportOptions) => {
      register((context) => exportGuest(context, guestId, options));
    });
}

async function exportGuest(context: CliContext, guestId: string, options: ExportOptions) {
  const { to, image } = options;
  if ((to === undefined) === (image === undefined)) {
    throw invalidField("--to, --image", [to, image].filter(Boolean).join(), "one of the two");
  }
  if (to !== undefined) {
    const sizeBytes = await download(context, { guestId, ...options }, path.resolve(to));
    const said = `guest ${guestId}: ${(sizeBytes / MIB).toFixed(1)} MiB in ${to}`;
    return context.terminal.result(said, { file: to, sizeBytes });
  }
  await exportImage(context, guestId, { ...options, image: parseName("--image", image ?? "") });
}

/** By way of a directory here, which is removed in any case. */
async function exportImage(
  context: CliContext,
  guestId: string,
  options: ExportOptions & { readonly image: string },
): Promise<void> {
  const { client, terminal } = context;
  const description = await describe(context, guestId);
  const directory = await mkdtemp(path.join(tmpdir(), "inn-export-"));
  try {
    await download(context, { guestId, ...options }, path.join(directory, DISK));
    const file = path.join(directory, "image.json");
    await writeFile(file, JSON.stringify(description));
    const source = await readImageSource(file, options.image);
    const image = await importImage(client, source, (sent, total) => {
      terminal.progress(`import ${options.image}: ${Math.floor((sent / total) * 100)} %`);
    });
    terminal.endProgress();
    const said = `image ${options.image} made of guest ${guestId}: sha256 ${image?.digest ?? ""}`;
    terminal.result(said, { image: options.image, digest: image?.digest ?? "" });
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** As the image that the guest began as, with a disk of the guest's size. */
async function describe({ client, projectId }: CliContext, guestId: string): Promise<object> {
  const { guest } = await client.guests.getGuest({ projectId, guestId, minRevision: 0 });
  const { image } = await client.images.getImage({ imageId: guest?.spec?.imageId ?? "" });
  const manifest = image?.manifest;
  if (manifest?.kind !== ImageKind.DISK) {
    throw noExport(guestId, "it boots from a kernel, and its disk alone is no image");
  }
  return {
    id: guestId,
    kind: "disk",
    commandLine: "",
    memoryMibMin: manifest.memoryMibMin,
    diskFormat: "qcow2",
    diskMib: guest?.spec?.resources?.diskMib ?? manifest.diskMib,
    guestAgent: manifest.guestAgent,
    readyText: manifest.readyText,
    readyWithinMs: 1000 * (manifest.readyWithin?.seconds ?? 0),
    blobs: [{ role: "disk", file: DISK }],
  };
}

/** Seen under its name only when it is whole. @returns its size in bytes. */
async function download(
  { client, projectId, terminal }: CliContext,
  { guestId, snapshot = "" }: ExportOptions & { readonly guestId: string },
  target: string,
): Promise<number> {
  const part = `${target}.part`;
  const file = await open(part, "w", 0o600);
  let sizeBytes = 0;
  try {
    const request = { projectId, guestId, snapshotName: snapshot };
    for await (const { data, totalBytes } of client.guests.exportGuest(request)) {
      await file.write(data);
      sizeBytes += data.length;
      const percent = totalBytes === 0 ? 0 : Math.floor((sizeBytes / totalBytes) * 100);
      terminal.progress(`export ${guestId}: ${percent} % of ${(totalBytes / MIB).toFixed(1)} MiB`);
    }
    await file.sync();
    await file.close();
    await rename(part, target);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(part, { force: true });
    throw error;
  } finally {
    terminal.endProgress();
  }
  return sizeBytes;
}
