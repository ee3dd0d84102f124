/**
 * QEMU's arguments for the disks of a copy: block nodes and devices in JSON, so that a path is
 * never parsed, whatever it holds.
 *
 * A disk that cannot be written stops the guest, which is then ended and told (see QemuCopy): a
 * guest that is told of errors itself would turn its file systems read-only, or lose data silently.
 */
import type { CopyDisk } from "@innkeeper/core";
import type { QemuMode } from "./modes.js";

/**
 * The image of a disk is locked against a second process; flushes of the guest reach the host's.
 */
const FILE = {
  driver: "file",
  locking: "on",
  aio: "threads",
  discard: "unmap",
  cache: { direct: false, "no-flush": false },
} as const;

const ERRORS = { werror: "stop", rerror: "stop" } as const;

/** The first disk is the one that firmware boots. */
export function diskArguments(disks: readonly CopyDisk[], mode: QemuMode): string[] {
  return disks.flatMap(({ path, format }, index) => {
    const [file, node] = [`file${index}`, `disk${index}`];
    const nodes = [
      { ...FILE, "node-name": file, filename: path },
      { driver: format, "node-name": node, file, discard: "unmap", "detect-zeroes": "unmap" },
    ];
    const device = { ...deviceOf(mode, index), drive: node, ...ERRORS };
    return [
      ...nodes.flatMap((each) => ["-blockdev", JSON.stringify(each)]),
      ...["-device", JSON.stringify(device)],
    ];
  });
}

function deviceOf(mode: QemuMode, index: number): Readonly<Record<string, string | number>> {
  switch (mode) {
    case "full":
      return { driver: "ide-hd", bus: `ide.${index >> 1}`, unit: index & 1, bootindex: index };
    case "hybrid":
      return { driver: "virtio-blk-pci", bootindex: index };
    case "paravirt":
      return { driver: "virtio-blk-device" };
  }
}
