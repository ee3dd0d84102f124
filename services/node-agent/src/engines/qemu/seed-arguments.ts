/**
 * QEMU's arguments for what a guest is told of itself: a volume of its own for a guest that boots
 * from a disk, files of the firmware for one that boots from a kernel and may know no file system.
 */
import type { CopyLaunch, SeedFile } from "@innkeeper/core";
import { isoVolume } from "./iso9660.js";
import type { QemuMode } from "./modes.js";

/** As cloud-init looks for it. */
const LABEL = "CIDATA";
const VOLUME = "seed.iso";

export interface SeedPart {
  /** Name inside the copy's directory. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What must be in the copy's directory before QEMU starts. */
export function seedParts({ seed, boot }: CopyLaunch): readonly SeedPart[] {
  if (seed === undefined) return [];
  if (boot.kind === "disk") return [{ name: VOLUME, bytes: isoVolume(LABEL, seed) }];
  return seed.map((file) => ({ name: partName(file), bytes: file.bytes }));
}

export function seedArguments({ seed, boot }: CopyLaunch, mode: QemuMode): string[] {
  if (seed === undefined) return [];
  if (boot.kind !== "disk") return seed.flatMap((file) => ["-fw_cfg", firmwareFile(file)]);
  const file = { driver: "file", "node-name": "seed-file", filename: VOLUME, "read-only": true };
  const raw = { driver: "raw", "node-name": "seed", file: "seed-file", "read-only": true };
  const nodes = [file, raw].flatMap((each) => ["-blockdev", JSON.stringify(each)]);
  return [...nodes, "-device", JSON.stringify({ ...deviceOf(mode), drive: "seed" })];
}

/** Tells a kernel to look, for looking takes time; and its address on a bridge. */
export function toldOnCommandLine({
  seed,
  network,
}: Pick<CopyLaunch, "seed" | "network">): readonly string[] {
  const ipAddress = network?.ipAddress;
  return [
    ...(seed === undefined ? [] : ["innkeeper.seed=1"]),
    ...(ipAddress === undefined ? [] : [`innkeeper.ip=${ipAddress}`]),
  ];
}

/** Every name is ours. */
function firmwareFile(file: SeedFile): string {
  return `name=opt/org.innkeeper/${file.name},file=${partName(file)}`;
}

function partName({ name }: SeedFile): string {
  return `seed.${name}`;
}

function deviceOf(mode: QemuMode): Readonly<Record<string, string | number>> {
  switch (mode) {
    case "full":
      return { driver: "ide-cd", bus: "ide.1", unit: 1 };
    case "hybrid":
      return { driver: "virtio-blk-pci" };
    case "paravirt":
      return { driver: "virtio-blk-device" };
  }
}
