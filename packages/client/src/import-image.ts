/** Uploads an image: hashes the files, streams them, reports progress. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import {
  BLOB_ROLES,
  type BlobRole,
  DISK_FORMATS,
  DomainError,
  IMAGE_KINDS,
  type ImageManifest,
  invalidField,
  parseName,
} from "@innkeeper/core";
import { fromServiceError } from "@innkeeper/core/platform";
import { imageManifestToProto, parseOneOf } from "@innkeeper/core/wire";
import type { Image } from "@innkeeper/proto/innkeeper/v1/image";
import {
  ImageServiceService,
  type ImportImageRequest,
  type ImportImageResponse,
} from "@innkeeper/proto/innkeeper/v1/image_service";
import type { InnkeeperClient } from "./client.js";

const PIECE_BYTES = 256 * 1024;

/** An image on the local disk: a description (JSON) with its blobs' files beside it. */
export interface ImageSource {
  readonly id: string;
  readonly manifest: ImageManifest;
  /** Absolute paths, in the order of `manifest.blobs`. */
  readonly files: readonly string[];
}

/**
 * Reads and hashes what an image description names. @throws `invalid` naming field, value and what
 * is allowed.
 */
export async function readImageSource(file: string, id?: string): Promise<ImageSource> {
  const described = await readDescription(file);
  const directory = path.dirname(path.resolve(file));
  const blobs = [];
  const files = [];
  for (const { role, file: name } of described.blobs) {
    if (name !== path.basename(name))
      throw invalidField("blobs.file", name, "a file name beside it");
    const blobPath = path.join(directory, name);
    files.push(blobPath);
    const { size } = await stat(blobPath).catch((error: unknown) => cannotRead(blobPath, error));
    blobs.push({ role, sha256: await sha256Of(blobPath), sizeBytes: size });
  }
  const { id: ownId, ...rest } = described;
  const manifest = { ...rest, architecture: "x86_64" as const, blobs };
  return { id: parseName("id", id ?? ownId), manifest, files };
}

/** Streams the image in; `onProgress` hears of bytes sent. */
export function importImage(
  client: InnkeeperClient,
  source: ImageSource,
  onProgress: (sentBytes: number, totalBytes: number) => void = () => undefined,
): Promise<Image | undefined> {
  const { path: method, requestSerialize, responseDeserialize } = ImageServiceService.importImage;
  return new Promise((resolve, reject) => {
    const done = (error: unknown, response: ImportImageResponse | undefined): void => {
      if (error) reject(fromServiceError(error));
      else resolve(response?.image);
    };
    const call = client.channel.makeClientStreamRequest(
      method,
      requestSerialize,
      responseDeserialize,
      done,
    );
    send(call, source, onProgress).catch((error: unknown) => {
      call.cancel();
      reject(fromServiceError(error));
    });
  });
}

interface Sink {
  write(request: ImportImageRequest): boolean;
  end(): void;
  once(event: "drain" | "close", listener: () => void): unknown;
  off(event: "drain" | "close", listener: () => void): unknown;
  readonly destroyed: boolean;
}

async function send(
  sink: Sink,
  { id, manifest, files }: ImageSource,
  onProgress: (sentBytes: number, totalBytes: number) => void,
): Promise<void> {
  const header = { imageId: id, manifest: imageManifestToProto(manifest), requestId: "" };
  sink.write({ part: { $case: "header", value: header } });
  const totalBytes = manifest.blobs.reduce((sum, blob) => sum + blob.sizeBytes, 0);
  let sentBytes = 0;
  for (const file of files) {
    for await (const piece of createReadStream(file, { highWaterMark: PIECE_BYTES })) {
      if (sink.destroyed) return;
      const value = piece as Buffer;
      if (!sink.write({ part: { $case: "data", value } })) await drained(sink);
      sentBytes += value.length;
      onProgress(sentBytes, totalBytes);
    }
  }
  sink.end();
}

function drained(sink: Sink): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      sink.off("drain", done);
      sink.off("close", done);
      resolve();
    };
    sink.once("drain", done);
    sink.once("close", done);
  });
}

interface Description {
  readonly id: string;
  readonly kind: ImageManifest["kind"];
  readonly commandLine: string;
  readonly memoryMibMin: number;
  readonly diskFormat: ImageManifest["diskFormat"];
  readonly diskMib: number;
  readonly command: readonly string[];
  readonly hasGuestAgent?: true;
  readonly takesIdentity?: true;
  readonly isSystemd?: true;
  readonly ready?: NonNullable<ImageManifest["ready"]>;
  readonly blobs: readonly { readonly role: BlobRole; readonly file: string }[];
}

async function readDescription(file: string): Promise<Description> {
  const text = await readFile(file, "utf8").catch((error: unknown) => cannotRead(file, error));
  const parsed = parseJson(file, text);
  const blobs = Array.isArray(parsed["blobs"])
    ? (parsed["blobs"] as Record<string, unknown>[])
    : [];
  return {
    id: textOf(parsed["id"]),
    kind: parseOneOf("kind", textOf(parsed["kind"]), IMAGE_KINDS),
    commandLine: textOf(parsed["commandLine"]),
    memoryMibMin: Number(parsed["memoryMibMin"] ?? 1),
    diskFormat: DISK_FORMATS.find((each) => each === parsed["diskFormat"]),
    diskMib: Number(parsed["diskMib"] ?? 0),
    command: Array.isArray(parsed["command"]) ? parsed["command"].map(textOf) : [],
    ...readyOf(parsed),
    ...(parsed["guestAgent"] === true ? { hasGuestAgent: true } : {}),
    ...(parsed["takesIdentity"] === true ? { takesIdentity: true } : {}),
    ...(parsed["systemd"] === true ? { isSystemd: true } : {}),
    blobs: blobs.map((blob) => ({
      role: parseOneOf("blobs.role", textOf(blob["role"]), BLOB_ROLES),
      file: textOf(blob["file"]),
    })),
  };
}

function readyOf(parsed: Record<string, unknown>): Pick<Description, "ready"> {
  const text = textOf(parsed["readyText"]);
  if (text === "") return {};
  return { ready: { text, withinMs: Number(parsed["readyWithinMs"] ?? 0) } };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function parseJson(file: string, text: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === "object" && parsed !== null) return parsed as Record<string, unknown>;
  } catch {
    // falls through to the one error below
  }
  throw invalidField("file", file, "an image description in JSON");
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(file)) hash.update(piece as Buffer);
  return hash.digest("hex");
}

function cannotRead(file: string, cause: unknown): never {
  const message = `cannot read ${file}: ${cause instanceof Error ? cause.message : String(cause)}`;
  throw new DomainError(
    { kind: "not-found", reason: "FILE_NOT_READABLE", message, metadata: { file } },
    { cause },
  );
}
