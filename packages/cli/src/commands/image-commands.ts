/** `inn image ...` */
import { importImage, readImageSource } from "@innkeeper/client";
import { Image } from "@innkeeper/proto/innkeeper/v1/image";
import type { Command } from "commander";
import { allPages, PAGE_SIZE } from "../all-pages.js";
import type { CliContext } from "../cli-context.js";
import { age, enumName, table } from "../output/table.js";
import type { Register } from "./register.js";

const MIB = 1024 * 1024;

export function imageCommands(program: Command, register: Register): void {
  const image = program.command("image").description("what guests boot from");
  image
    .command("import <file>")
    .description("stream an image in; FILE is its image.json, with its blobs beside it")
    .option("--name <name>", "another name than the one in the file")
    .action((file: string, { name }: { name?: string }) => {
      register((context) => importFile(context, file, name));
    });
  image
    .command("ls")
    .description("list images")
    .action(() => register(listImages));
  image
    .command("rm <name>")
    .description("remove an image that no guest uses")
    .action((name: string) => register((context) => removeImage(context, name)));
}

async function importFile(context: CliContext, file: string, name?: string): Promise<void> {
  const { client, terminal } = context;
  const source = await readImageSource(file, name);
  const image = await importImage(client, source, (sent, total) => {
    const percent = Math.floor((sent / total) * 100);
    terminal.progress(`import ${source.id}: ${percent} % of ${(total / MIB).toFixed(1)} MiB`);
  });
  terminal.endProgress();
  if (image) {
    const text = `image ${image.id} imported and verified: sha256 ${image.digest}`;
    terminal.result(text, Image.toJSON(image));
  }
}

async function listImages({ client, terminal, nowMs }: CliContext): Promise<void> {
  const images = await allPages(async (pageToken) => {
    const { images: items, nextPageToken } = await client.images.listImages({
      pageSize: PAGE_SIZE,
      pageToken,
    });
    return { items, nextPageToken };
  });
  const header = ["NAME", "KIND", "SIZE", "AGE", "DIGEST"];
  const rows = images.map((each) => {
    const bytes = each.manifest?.blobs.reduce((sum, blob) => sum + blob.sizeBytes, 0) ?? 0;
    return [
      each.id,
      enumName(each.manifest?.kind ?? "", "IMAGE_KIND_").toLowerCase(),
      sizeText(bytes),
      age(each.createTime, nowMs()),
      each.digest.slice(0, 16),
    ];
  });
  terminal.result(
    table(header, rows),
    images.map((each) => Image.toJSON(each)),
  );
}

function sizeText(bytes: number): string {
  return bytes < MIB ? `${Math.ceil(bytes / 1024)}KiB` : `${(bytes / MIB).toFixed(1)}MiB`;
}

async function removeImage(context: CliContext, imageId: string): Promise<void> {
  const { client, requestId, terminal } = context;
  await client.images.deleteImage({ imageId, requestId });
  terminal.result(`image ${imageId} removed`, { imageId });
}
