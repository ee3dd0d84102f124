/**
 * Disks that hold a file system from the first, for containers: raw files, sparse, made and grown
 * by the file system's own tools. They run inside the disks' directory and are given names and
 * numbers of ours only.
 *
 * F1 The file system is seen only when it is whole, and its size is that of the disk.
 */
import { execFile } from "node:child_process";
import { open, truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { diskStoreFailed } from "@innkeeper/core";

const TIMEOUT_MS = 120_000;
const MIB = 1024 * 1024;
/** `e2fsck`: nothing was wrong, or it is not any more. */
const REPAIRED_MAX = 1;

/** Where the first copy of the superblock lies, and what is in it (`struct ext4_super_block`). */
const SUPERBLOCK_AT = 1024;
const BLOCKS_AT = 4;
const BLOCK_SIZE_AT = 24;
const MAGIC_AT = 56;
const BLOCKS_HIGH_AT = 336;
const SUPERBLOCK_BYTES = 1024;
const MAGIC = 0xef53;
const BLOCK_BYTES_MIN = 1024;

export interface FileSystemFile {
  readonly directory: string;
  /** A name inside the directory. */
  readonly file: string;
  readonly sizeMib: number;
}

/** It takes of the host what is written to it. @throws `precondition`. */
export async function makeFileSystem({ directory, file, sizeMib }: FileSystemFile): Promise<void> {
  await writeFile(path.join(directory, file), "", { mode: 0o600 });
  await truncate(path.join(directory, file), sizeMib * MIB);
  // The file is all zeros already: nothing of that needs to be written to it.
  const done = "lazy_itable_init=1,lazy_journal_init=1,nodiscard";
  await tool("mke2fs", ["-q", "-F", "-t", "ext4", "-m", "0", "-E", done, file], { directory });
}

/** Nobody may have it mounted. Idempotent. @throws `precondition`. */
export async function growFileSystem({ directory, file, sizeMib }: FileSystemFile): Promise<void> {
  await truncate(path.join(directory, file), sizeMib * MIB);
  await tool("e2fsck", ["-f", "-p", file], { directory, codeMax: REPAIRED_MAX });
  await tool("resize2fs", ["-f", file], { directory });
}

/** As the file system itself has it: half grown is not grown. 0 = there is none. */
export async function fileSystemBytes(file: string): Promise<number> {
  const handle = await open(file, "r");
  try {
    const block = Buffer.alloc(SUPERBLOCK_BYTES);
    const { bytesRead } = await handle.read(block, 0, block.length, SUPERBLOCK_AT);
    if (bytesRead < block.length || block.readUInt16LE(MAGIC_AT) !== MAGIC) return 0;
    const blocks = block.readUInt32LE(BLOCKS_HIGH_AT) * 2 ** 32 + block.readUInt32LE(BLOCKS_AT);
    return blocks * BLOCK_BYTES_MIN * 2 ** block.readUInt32LE(BLOCK_SIZE_AT);
  } finally {
    await handle.close();
  }
}

async function tool(
  program: string,
  args: readonly string[],
  { directory: cwd, codeMax = 0 }: { readonly directory: string; readonly codeMax?: number },
): Promise<void> {
  try {
    await promisify(execFile)(program, args, { cwd, timeout: TIMEOUT_MS, killSignal: "SIGKILL" });
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT") throw diskStoreFailed(`${program} is not installed (e2fsprogs)`, error);
    if (typeof code !== "number" || code > codeMax) throw diskStoreFailed(lastWords(error), error);
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function lastWords(error: unknown): string {
  const said = error instanceof Error ? error.message : String(error);
  return said.trimEnd().split("\n").at(-1) ?? "";
}
