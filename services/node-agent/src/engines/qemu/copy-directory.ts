/**
 * The directory of one copy: `<state>/<guest uid>.<epoch>`, holding everything that belongs to it.
 * QEMU runs inside it and names its files relatively, so no path of ours is ever parsed by QEMU,
 * however odd the data directory's name is.
 */
import { closeSync, existsSync, openSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type { CopyRef } from "@innkeeper/core";
import { copyName } from "../copy-name.js";

/** Names inside the directory. */
export const COPY_FILES = {
  monitor: "qmp.sock",
  serial: "serial.sock",
  /** Of the guest agent; only there for images that run one. */
  agent: "agent.sock",
  console: "console.log",
  errors: "qemu.log",
  pid: "qemu.pid",
  /** There from the launch of a receiving copy until it is first resumed. */
  incoming: "incoming",
} as const;

/** What a Unix socket's address can hold, in bytes. */
const SOCKET_PATH_MAX = 107;

export class CopyDirectory {
  readonly path: string;

  constructor(
    stateDirectory: string,
    readonly ref: CopyRef,
  ) {
    this.path = path.join(stateDirectory, copyName(ref));
  }

  file(name: keyof typeof COPY_FILES): string {
    return path.join(this.path, COPY_FILES[name]);
  }

  /** Fresh and empty, whatever was there. */
  async make(): Promise<void> {
    await this.remove();
    await mkdir(this.path, { recursive: true, mode: 0o700 });
  }

  /** A file of the copy alone, by a name of ours. */
  async write(name: string, bytes: Uint8Array): Promise<void> {
    await writeFile(path.join(this.path, name), bytes, { mode: 0o600 });
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }

  async exists(): Promise<boolean> {
    return await readdir(this.path).then(
      () => true,
      () => false,
    );
  }

  get hasAgentSocket(): boolean {
    return existsSync(this.file("agent"));
  }

  async isMarkedIncoming(): Promise<boolean> {
    return (await readOrEmpty(this.file("incoming"))) !== "";
  }

  async markIncoming(): Promise<void> {
    await writeFile(this.file("incoming"), "waits for or holds a migration\n");
  }

  async unmarkIncoming(): Promise<void> {
    await rm(this.file("incoming"), { force: true });
  }

  /** What QEMU wrote to its standard error. */
  async errors(): Promise<string> {
    return await readOrEmpty(this.file("errors"));
  }

  async pid(): Promise<number | undefined> {
    const pid = Number((await readOrEmpty(this.file("pid"))).trim());
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  }

  /**
   * Calls with an address of the socket that fits, also when the directory's path is too long for
   * one.
   */
  async withSocketPath<T>(
    name: "monitor" | "serial" | "agent",
    use: (address: string) => Promise<T>,
  ): Promise<T> {
    const full = this.file(name);
    if (Buffer.byteLength(full) <= SOCKET_PATH_MAX) return await use(full);
    const directory = openSync(this.path, "r");
    try {
      return await use(`/proc/self/fd/${directory}/${COPY_FILES[name]}`);
    } finally {
      closeSync(directory);
    }
  }
}

async function readOrEmpty(file: string): Promise<string> {
  return await readFile(file, "utf8").catch(() => "");
}
