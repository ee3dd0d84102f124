/** ImageService: manifests are records, their bytes go to the blob store. */
import { createHash } from "node:crypto";
import {
  canonicalManifest,
  type Image,
  type ImageManifest,
  invalidField,
  notFound,
  parseName,
} from "@innkeeper/core";
import { clientStream, unary } from "@innkeeper/core/platform";
import { parseImageManifest } from "@innkeeper/core/wire";
import type {
  ImageServiceServer,
  ImportImageRequest,
} from "@innkeeper/proto/innkeeper/v1/image_service";
import { deleteImage, registerImage } from "../commands/images.js";
import type { Controller } from "../controller.js";
import { ByteReader } from "./byte-reader.js";
import { pageOf, parseRequestId } from "./parse-request.js";
import { imageToProto } from "./record-codecs.js";

export function imageService(controller: Controller): ImageServiceServer {
  const { log, mirror } = controller;
  const show = (id: string) => {
    const image = mirror.image(id);
    if (image === undefined) throw notFound("image", id);
    return { image: imageToProto(image.value) };
  };
  return {
    importImage: clientStream(log, async (requests) =>
      show(await importImage(controller, requests)),
    ),
    getImage: unary(log, ({ imageId }) => show(parseName("image_id", imageId))),
    listImages: unary(log, (request) => {
      const { items, nextPageToken } = pageOf(mirror.images(), (each) => each.id, request);
      return { images: items.map(imageToProto), nextPageToken };
    }),
    deleteImage: unary(log, async ({ imageId, requestId }) => {
      const input = {
        imageId: parseName("image_id", imageId),
        requestId: parseRequestId(requestId),
      };
      await deleteImage(controller, input);
      return {};
    }),
  };
}

/**
 * Stores and verifies each blob, then makes the image known. Nothing is known of a broken import.
 */
async function importImage(
  controller: Controller,
  requests: AsyncIterable<ImportImageRequest>,
): Promise<string> {
  const parts = requests[Symbol.asyncIterator]();
  const first = await parts.next();
  const header = first.done ? undefined : first.value.part;
  if (header?.$case !== "header") throw invalidField("part", "data", "a header first");
  const id = parseName("header.image_id", header.value.imageId);
  const manifest = parseImageManifest("header.manifest", header.value.manifest);
  const requestId = parseRequestId(header.value.requestId);
  const reader = new ByteReader(bytesOf(parts));
  for (const blob of manifest.blobs) {
    await controller.blobs.write(blob, reader.take(blob.sizeBytes));
    await reader.skipRest();
  }
  await reader.expectEnd();
  return await registerImage(controller, { image: newImage(controller, id, manifest), requestId });
}

async function* bytesOf(parts: AsyncIterator<ImportImageRequest>): AsyncGenerator<Uint8Array> {
  for (;;) {
    const next = await parts.next();
    if (next.done) return;
    if (next.value.part?.$case !== "data") throw invalidField("part", "header", "data");
    yield next.value.part.value;
  }
}

function newImage({ clock }: Controller, id: string, manifest: ImageManifest): Image {
  const digest = createHash("sha256").update(canonicalManifest(manifest)).digest("hex");
  return { id, digest, manifest, createdAtMs: clock.nowMs() };
}
