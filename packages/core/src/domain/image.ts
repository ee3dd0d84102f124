/**
 * Images: what a guest boots from. Content-addressed: blobs by sha256, the image by the sha256 of
 * its canonical manifest.
 */

import type { Mode } from "./mode.js";

export const BLOB_ROLES = ["kernel", "initrd", "disk", "rootfs"] as const;
export type BlobRole = (typeof BLOB_ROLES)[number];

/**
 * `linux`: a bzImage and an initramfs. `pvh`: one ELF program entered by the PVH boot protocol.
 * `disk`: a bootable disk. `rootfs`: a root file system as a tar archive, for containers.
 */
export const IMAGE_KINDS = ["linux", "pvh", "disk", "rootfs"] as const;
export type ImageKind = (typeof IMAGE_KINDS)[number];

/** The modes that can boot each kind of image. */
export const IMAGE_MODES: Readonly<Record<ImageKind, readonly Mode[]>> = {
  linux: ["hybrid", "paravirt"],
  pvh: ["hybrid", "paravirt"],
  disk: ["full", "hybrid"],
  rootfs: ["container"],
};

/** The blobs each kind of image needs, no more and no less. */
export const IMAGE_ROLES: Readonly<Record<ImageKind, readonly BlobRole[]>> = {
  linux: ["kernel", "initrd"],
  pvh: ["kernel"],
  disk: ["disk"],
  rootfs: ["rootfs"],
};

export const DISK_FORMATS = ["raw", "qcow2"] as const;
export type DiskFormat = (typeof DISK_FORMATS)[number];

export interface ImageBlob {
  readonly role: BlobRole;
  /** 64 lower-case hexadecimal digits. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

export interface ImageManifest {
  readonly kind: ImageKind;
  readonly architecture: "x86_64";
  readonly commandLine: string;
  readonly memoryMibMin: number;
  /** Of the disk blob; undefined for images without one. */
  readonly diskFormat: DiskFormat | undefined;
  /** Size of the disk that the guest sees, in MiB; 0 for images without one. */
  readonly diskMib: number;
  /** First process of a `rootfs`: its path and arguments; empty for the others. */
  readonly command: readonly string[];
  /** It runs the QEMU guest agent. Undefined = no, as in all images of old. */
  readonly hasGuestAgent?: true;
  /**
   * Started with `innkeeper.template=1`, its guests wait until the firmware says who they are, and
   * become that. Undefined = no.
   */
  readonly takesIdentity?: true;
  /** The first process of a `rootfs` is systemd, which wants more than others. Undefined = no. */
  readonly isSystemd?: true;
  /** How a guest shows on its console that it is up; undefined = nobody waits for it. */
  readonly ready?: ReadySign;
  readonly blobs: readonly ImageBlob[];
}

export interface ReadySign {
  /** Somewhere in what it prints. */
  readonly text: string;
  /** A guest that has run for so long without it is ended. */
  readonly withinMs: number;
}

export interface Image {
  /** User-chosen, unique in the cluster (RFC 1123 label). */
  readonly id: string;
  /** sha256 of the canonical manifest: same content, same digest. */
  readonly digest: string;
  readonly manifest: ImageManifest;
  readonly createdAtMs: number;
}

/** The bytes that `Image.digest` is the sha256 of: fixed key order, blobs ordered by role. */
export function canonicalManifest(manifest: ImageManifest): string {
  const blobs = [...manifest.blobs]
    .sort((a, b) => (a.role < b.role ? -1 : 1))
    .map(({ role, sha256, sizeBytes }) => ({ role, sha256, sizeBytes }));
  const { kind, architecture, commandLine, memoryMibMin, diskFormat, diskMib, command } = manifest;
  const { hasGuestAgent, ready, takesIdentity, isSystemd } = manifest;
  const boot = { commandLine, memoryMibMin, diskFormat, diskMib, command, hasGuestAgent, ready };
  return JSON.stringify({ kind, architecture, ...boot, takesIdentity, isSystemd, blobs });
}
