/** The files of disks as the file system has them: names, sizes, and whether they last. */
import { open, readdir, statfs } from "node:fs/promises";
import { fileSystemBytes } from "./file-system-disk.js";
import { QCOW2_HEADER_BYTES, QCOW2_SNAPSHOT_COUNT_AT, readQcow2Header } from "./qcow2-header.js";

/** The size of a file's block in `stat`, whatever the file system's is. */
const STAT_BLOCK_BYTES = 512;

const FILE_SYSTEM = /\.ext4(\.new)?$/;

/** What the guest sees, and by how much the file may grow: each snapshot may keep a whole disk. */
export async function sizesOf(file: string): Promise<{ sizeBytes: number; growthBytes: number }> {
  const handle = await open(file, "r");
  try {
    const bytes = Buffer.alloc(QCOW2_HEADER_BYTES);
    await handle.read(bytes, 0, bytes.length, 0);
    const { blocks } = await handle.stat();
    const isFileSystem = FILE_SYSTEM.test(file);
    const sizeBytes = isFileSystem ? await fileSystemBytes(file) : sizeWithin(bytes);
    const snapshots = isFileSystem ? 0 : bytes.readUInt32BE(QCOW2_SNAPSHOT_COUNT_AT);
    const mostBytes = sizeBytes * (1 + snapshots);
    return { sizeBytes, growthBytes: Math.max(0, mostBytes - blocks * STAT_BLOCK_BYTES) };
  } finally {
    await handle.close();
  }
}

/** An overlay of ours names its base, which is no problem here. */
function sizeWithin(bytes: Buffer): number {
  const alone = Buffer.from(bytes);
  alone.fill(0, 8, 20);
  const header = readQcow2Header(alone);
  return "problem" in header ? 0 : header.sizeBytes;
}

export async function namesIn(directory: string): Promise<string[]> {
  return await readdir(directory).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  });
}

export async function syncFile(file: string): Promise<void> {
  const handle = await open(file, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export async function freeBytesOf(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}
