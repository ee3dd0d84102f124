/** Brings the blobs of an image to this node, and makes the disks that a copy needs. */
import {
  type CopyLaunch,
  DomainError,
  type GuestAssignment,
  type ImageBlob,
  type ImageManifest,
  type Restore,
} from "@innkeeper/core";
import type { PreparedCopy } from "./copy-launch.js";
import { fetchBlob } from "./fetch-blob.js";
import type { RunnerContext } from "./runner-context.js";
import { wantedDisks } from "./wanted-disks.js";

type BlobPaths = ReadonlyMap<ImageBlob["role"], string>;

export type CopySources = Pick<PreparedCopy, "boot" | "disks" | "restore" | "areDisksBlank">;

export interface PrepareOptions {
  readonly restore: Restore | undefined;
  readonly signal: AbortSignal;
  /** See `CloneOrder`. */
  readonly onProgress: (percent: number) => void;
}

/**
 * Blobs and disks of the guest, on this node. @throws `unavailable` when a blob cannot be fetched
 * now, `capacity` when there is no room for its disks, `corrupt` for what no engine can use.
 */
export async function prepareSources(
  context: RunnerContext,
  assignment: GuestAssignment,
  { restore, signal, onProgress }: PrepareOptions,
): Promise<CopySources> {
  const paths = await fetchBlobs(context, assignment);
  const boot = bootOf(assignment, paths);
  const wanted = wantedDisks(assignment, paths);
  const { guestUid, cloneOf } = assignment;
  const isNew = cloneOf === undefined && !(await context.disks.list()).includes(guestUid);
  const areDisksBlank = wanted.length === 0 || isNew;
  const restored = restore && (await context.disks.restoreSnapshot(guestUid, restore.snapshotUid));
  const disks =
    cloneOf === undefined
      ? await context.disks.prepare(guestUid, wanted)
      : await context.disks.clone(guestUid, { from: cloneOf, wanted, onProgress }, signal);
  const begun = restored && restore?.hasMemory && { restore: restored };
  return { boot, disks, areDisksBlank, ...begun };
}

async function fetchBlobs(context: RunnerContext, { image }: GuestAssignment): Promise<BlobPaths> {
  const paths = new Map<ImageBlob["role"], string>();
  for (const blob of image.blobs) paths.set(blob.role, await fetchBlob(context, blob));
  return paths;
}

/** What the engine boots. @throws `corrupt` when the image lacks a blob that its kind needs. */
function bootOf(assignment: GuestAssignment, paths: BlobPaths): CopyLaunch["boot"] {
  const { image } = assignment;
  const commandLine = [image.commandLine, assignment.commandLine].filter(Boolean).join(" ");
  const pathOf = (role: ImageBlob["role"]): string => {
    const path = paths.get(role);
    if (path === undefined) throw blobMissing(assignment, image, role);
    return path;
  };
  switch (image.kind) {
    case "linux":
    case "pvh": {
      const initrdPath = paths.get("initrd");
      return { kind: "kernel", kernelPath: pathOf("kernel"), initrdPath, commandLine };
    }
    case "disk":
      pathOf("disk");
      return { kind: "disk", commandLine };
    case "rootfs": {
      const rootfsPath = pathOf("rootfs");
      const { command, isSystemd = false } = image;
      return { kind: "rootfs", rootfsPath, command, isSystemd, commandLine };
    }
  }
}

function blobMissing(
  { guestId }: GuestAssignment,
  { kind }: ImageManifest,
  role: string,
): DomainError {
  return new DomainError({
    kind: "corrupt",
    reason: "IMAGE_INCOMPLETE",
    message: `the ${kind} image of guest "${guestId}" has no ${role}`,
    metadata: { guest: guestId, role },
  });
}
