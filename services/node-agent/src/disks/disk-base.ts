/** The image below a guest's disk: looked at before it is used, kept while it is needed (K2). */
import { constants } from "node:fs";
import { copyFile, link, open } from "node:fs/promises";
import { type DiskBase, imageCorrupt } from "@innkeeper/core";
import { QCOW2_HEADER_BYTES, readQcow2Header } from "./qcow2-header.js";

const MIB = 1024 * 1024;
/** Another file system, too many names of one file, or a file that is not ours. */
const NO_LINK = ["EXDEV", "EMLINK", "EPERM"];

/** @throws `corrupt` (IMAGE_CORRUPT) saying why it may not be used. */
export async function checkBase(base: DiskBase): Promise<void> {
  const sizeBytes = await sizeOf(base);
  const sizeMib = Math.ceil(sizeBytes / MIB);
  if (sizeMib === base.sizeMib) return;
  const why = `it holds a disk of ${sizeMib} MiB, its manifest says ${base.sizeMib} MiB`;
  throw imageCorrupt(why, { sizeMib: String(sizeMib), manifestMib: String(base.sizeMib) });
}

/** A second name of the blob's bytes: they stay when the blob is removed. */
export async function keepBase(base: DiskBase, target: string): Promise<void> {
  try {
    await link(base.path, target);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (!NO_LINK.includes(code)) throw error;
    await copyFile(base.path, target, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
  }
}

async function sizeOf({ path, format }: DiskBase): Promise<number> {
  const file = await open(path, "r");
  try {
    if (format === "raw") return (await file.stat()).size;
    const bytes = Buffer.alloc(QCOW2_HEADER_BYTES);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    const header = readQcow2Header(bytes.subarray(0, bytesRead));
    if ("problem" in header) throw imageCorrupt(header.problem);
    return header.sizeBytes;
  } finally {
    await file.close();
  }
}
