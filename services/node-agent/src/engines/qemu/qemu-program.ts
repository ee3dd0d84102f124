/** The QEMU program of this host: where it is, which version. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type DomainError, unavailable } from "@innkeeper/core";

export const QEMU_PROGRAM = "qemu-system-x86_64";
const VERSION_TIMEOUT_MS = 10_000;

/** E.g. `7.2.22`. @throws `unavailable` saying what to install. */
export async function qemuVersion(): Promise<string> {
  try {
    const options = { timeout: VERSION_TIMEOUT_MS };
    const { stdout } = await promisify(execFile)(QEMU_PROGRAM, ["--version"], options);
    return /version ([0-9][0-9.]*)/.exec(stdout)?.[1] ?? "unknown";
  } catch (error) {
    throw isMissing(error) ? notInstalled(error) : notUsable(error);
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

function notInstalled(cause: unknown): DomainError {
  return unavailable("engine", `${QEMU_PROGRAM} is not installed (Debian: qemu-system-x86)`, cause);
}

function notUsable(cause: unknown): DomainError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return unavailable("engine", `${QEMU_PROGRAM} does not work: ${why}`, cause);
}
