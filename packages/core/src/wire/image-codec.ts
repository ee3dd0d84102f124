/** Image manifests on the wire: parsed and checked on the way in, written on the way out. */
import {
  type ImageBlob as ProtoBlob,
  DiskFormat as ProtoDiskFormat,
  type ImageManifest as ProtoManifest,
} from "@innkeeper/proto/innkeeper/v1/image";
import { invalidField } from "../domain/errors.js";
import {
  IMAGE_ROLES,
  type ImageBlob,
  type ImageKind,
  type ImageManifest,
} from "../domain/image.js";
import {
  BLOB_ROLE_TO_PROTO,
  DISK_FORMAT_TO_PROTO,
  IMAGE_KIND_TO_PROTO,
  parseEnum,
} from "./enums.js";
import {
  durationOf,
  parseDurationMs,
  parseInteger,
  parsePrintable,
  parseSha256,
} from "./numbers.js";

export const COMMAND_LINE_LENGTH_MAX = 1024;
const BLOB_BYTES_MAX = 64 * 1024 ** 3;
/** The largest disk of an image or a guest: 1 PiB. */
export const DISK_MIB_MAX = 2 ** 30;
const COMMAND_WORDS_MAX = 64;
const READY_TEXT_LENGTH_MAX = 128;
const READY_WITHIN = { min: 1_000, max: 3_600_000, unset: 0 };
const MEMORY_MIB_MAX = 1024 * 1024;

/** @throws `invalid` for a malformed field, missing or surplus blobs. */
export function parseImageManifest(field: string, proto: ProtoManifest | undefined): ImageManifest {
  if (proto === undefined) throw invalidField(field, "unset", "a manifest");
  const kind = parseEnum(`${field}.kind`, proto.kind, IMAGE_KIND_TO_PROTO);
  if (proto.architecture !== "x86_64") {
    throw invalidField(`${field}.architecture`, proto.architecture, "x86_64");
  }
  const blobs = proto.blobs.map((blob, index) => parseBlob(`${field}.blobs[${index}]`, blob));
  const roles = blobs.map((blob) => blob.role).sort();
  const needed = [...IMAGE_ROLES[kind]].sort();
  if (roles.join() !== needed.join()) {
    throw invalidField(`${field}.blobs`, roles.join(", "), `one each of ${needed.join(", ")}`);
  }
  return {
    kind,
    architecture: "x86_64",
    commandLine: parsePrintable(
      `${field}.command_line`,
      proto.commandLine,
      COMMAND_LINE_LENGTH_MAX,
    ),
    memoryMibMin: parseInteger(`${field}.memory_mib_min`, proto.memoryMibMin, {
      min: 1,
      max: MEMORY_MIB_MAX,
    }),
    ...parseDisk(field, kind, proto),
    command: parseCommand(`${field}.command`, kind, proto.command),
    ...parseReady(field, proto),
    ...parseGuestAgent(`${field}.guest_agent`, kind, proto.guestAgent),
    ...parseIdentity(`${field}.takes_identity`, kind, proto.takesIdentity),
    ...parseSystemd(`${field}.systemd`, kind, proto.systemd),
    blobs,
  };
}

function parseDisk(
  field: string,
  kind: ImageKind,
  { diskFormat, diskMib }: ProtoManifest,
): Pick<ImageManifest, "diskFormat" | "diskMib"> {
  const isDisk = kind === "disk";
  const range = isDisk ? { min: 1, max: DISK_MIB_MAX } : { min: 0, max: 0 };
  const mib = parseInteger(`${field}.disk_mib`, diskMib, range);
  if (!isDisk && diskFormat !== ProtoDiskFormat.UNSPECIFIED) {
    throw invalidField(`${field}.disk_format`, diskFormat, `unset for a ${kind} image`);
  }
  const format = isDisk && parseEnum(`${field}.disk_format`, diskFormat, DISK_FORMAT_TO_PROTO);
  return { diskFormat: format || undefined, diskMib: mib };
}

function parseReady(field: string, proto: ProtoManifest): Pick<ImageManifest, "ready"> {
  const { readyText, readyWithin } = proto;
  const text = parsePrintable(`${field}.ready_text`, readyText, READY_TEXT_LENGTH_MAX);
  if (text === "" && readyWithin === undefined) return {};
  if (text === "") throw invalidField(`${field}.ready_text`, "", "the text to wait for");
  const withinMs = parseDurationMs(`${field}.ready_within`, readyWithin, READY_WITHIN);
  if (withinMs === 0) throw invalidField(`${field}.ready_within`, "unset", "1000 ms to 3600000 ms");
  return { ready: { text, withinMs } };
}

function parseGuestAgent(
  field: string,
  kind: ImageKind,
  hasGuestAgent: boolean,
): Pick<ImageManifest, "hasGuestAgent"> {
  if (!hasGuestAgent) return {};
  if (kind === "rootfs") throw invalidField(field, "true", "unset for a rootfs image");
  return { hasGuestAgent };
}

/** Who boots from a disk is not told by a command line that it is to wait. */
function parseIdentity(
  field: string,
  kind: ImageKind,
  takesIdentity: boolean,
): Pick<ImageManifest, "takesIdentity"> {
  if (!takesIdentity) return {};
  if (kind !== "linux" && kind !== "pvh") {
    throw invalidField(field, "true", `unset for a ${kind} image`);
  }
  return { takesIdentity };
}

function parseSystemd(
  field: string,
  kind: ImageKind,
  isSystemd: boolean,
): Pick<ImageManifest, "isSystemd"> {
  if (!isSystemd) return {};
  if (kind !== "rootfs") throw invalidField(field, "true", `unset for a ${kind} image`);
  return { isSystemd };
}

function parseCommand(field: string, kind: ImageKind, command: readonly string[]): string[] {
  const isNeeded = kind === "rootfs";
  const isRightLength = isNeeded
    ? command.length >= 1 && command.length <= COMMAND_WORDS_MAX
    : command.length === 0;
  if (!isRightLength) {
    const allowed = isNeeded ? `1 to ${COMMAND_WORDS_MAX} words` : `none for a ${kind} image`;
    throw invalidField(field, `${command.length} words`, allowed);
  }
  return command.map((word, index) =>
    parsePrintable(`${field}[${index}]`, word, COMMAND_LINE_LENGTH_MAX),
  );
}

function parseBlob(field: string, proto: ProtoBlob): ImageBlob {
  return {
    role: parseEnum(`${field}.role`, proto.role, BLOB_ROLE_TO_PROTO),
    sha256: parseSha256(`${field}.sha256`, proto.sha256),
    sizeBytes: parseInteger(`${field}.size_bytes`, proto.sizeBytes, {
      min: 1,
      max: BLOB_BYTES_MAX,
    }),
  };
}

export function imageManifestToProto(manifest: ImageManifest): ProtoManifest {
  return {
    kind: IMAGE_KIND_TO_PROTO[manifest.kind],
    architecture: manifest.architecture,
    commandLine: manifest.commandLine,
    memoryMibMin: manifest.memoryMibMin,
    diskFormat: manifest.diskFormat
      ? DISK_FORMAT_TO_PROTO[manifest.diskFormat]
      : ProtoDiskFormat.UNSPECIFIED,
    diskMib: manifest.diskMib,
    command: [...manifest.command],
    readyText: manifest.ready?.text ?? "",
    readyWithin: manifest.ready && durationOf(manifest.ready.withinMs),
    guestAgent: manifest.hasGuestAgent === true,
    takesIdentity: manifest.takesIdentity === true,
    systemd: manifest.isSystemd === true,
    blobs: manifest.blobs.map((blob) => ({ ...blob, role: BLOB_ROLE_TO_PROTO[blob.role] })),
  };
}
