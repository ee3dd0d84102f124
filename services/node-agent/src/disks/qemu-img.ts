/**
 * Makes qcow2 files with QEMU's own tool. It runs inside the disks' directory and is given names
 * and numbers of ours only, so nothing of a user's or a path's is ever parsed by it.
 */
import { type ChildProcess, execFile } from "node:child_process";
import { promisify } from "node:util";
import { type DiskFormat, diskStoreFailed } from "@innkeeper/core";

const PROGRAM = "qemu-img";
const TIMEOUT_MS = 30_000;

export interface Qcow2File {
  readonly directory: string;
  /** Names inside the directory. */
  readonly file: string;
  readonly sizeMib: number;
  readonly base: { readonly file: string; readonly format: DiskFormat } | undefined;
}

/** The base is not opened here: it was looked at before. @throws `precondition`. */
export async function createQcow2({ directory, file, sizeMib, base }: Qcow2File): Promise<void> {
  const below = base === undefined ? [] : ["-u", "-F", base.format, "-b", base.file];
  await qemuImg(directory, ["create", "-q", "-f", "qcow2", ...below, file, `${sizeMib}M`]);
}

/** No other process may have it open. @throws `precondition`. */
export async function growQcow2({
  directory,
  file,
  sizeMib,
}: Omit<Qcow2File, "base">): Promise<void> {
  await qemuImg(directory, ["resize", "-q", "-f", "qcow2", file, `${sizeMib}M`]);
}

/** Names of the snapshots that the file holds, also while a machine has it open. */
export async function snapshotsIn(directory: string, file: string): Promise<string[]> {
  const text = await qemuImg(directory, ["info", "-U", "-f", "qcow2", "--output=json", file]);
  const { snapshots = [] } = JSON.parse(text) as { snapshots?: readonly { name: string }[] };
  return snapshots.map(({ name }) => name);
}

export interface QemuImgOptions {
  readonly signal?: AbortSignal;
  /** Hears what it prints as it comes. */
  readonly onOutput?: (text: string) => void;
}

/** @returns what it prints. @throws `precondition` with its last words. */
export async function qemuImg(
  cwd: string,
  args: readonly string[],
  { signal, onOutput }: QemuImgOptions = {},
): Promise<string> {
  try {
    // What can be ended by a signal takes as long as it takes.
    const limit = signal === undefined ? { timeout: TIMEOUT_MS } : { signal };
    const running = promisify(execFile)(PROGRAM, args, { cwd, killSignal: "SIGKILL", ...limit });
    if (onOutput !== undefined) running.child.stdout?.on("data", onOutput);
    return await running.then(({ stdout }) => stdout).finally(() => hasEnded(running.child));
  } catch (error) {
    throw isMissing(error)
      ? diskStoreFailed(`${PROGRAM} is not installed (Debian: qemu-utils)`, error)
      : diskStoreFailed(lastLine(error), error);
  }
}

/** Who was told to end holds its locks until it has. */
async function hasEnded(child: ChildProcess): Promise<void> {
  const isOver = child.exitCode !== null || child.signalCode !== null;
  if (child.pid === undefined || isOver) return;
  await new Promise<void>((resolve) => {
    child.once("close", () => resolve());
  });
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

function lastLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trimEnd().split("\n").at(-1) ?? "";
}
