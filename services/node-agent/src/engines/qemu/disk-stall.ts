/**
 * A guest whose disk cannot be written because the host's is full: QEMU has stopped it before the
 * write, so nothing is lost, and it goes on with that write as soon as there is room.
 */
import { statfs } from "node:fs/promises";
import { type Clock, type ErrorDetail, hostDiskFull } from "@innkeeper/core";
import { writtenFiles } from "./copy-disks.js";
import type { QmpClient } from "./qmp-client.js";

const MIB = 1024 * 1024;
/** Less would be full again at once. */
export const ROOM_MIB = 16;
const LOOK_MS = 500;

export interface DiskStallParts {
  readonly qmp: QmpClient;
  /** Where a file of QEMU's is. */
  readonly found: (name: string) => string;
  readonly clock: Clock;
  /** It has begun or ended. */
  readonly onChange: () => void;
}

export class DiskStall {
  #trouble: ErrorDetail | undefined;
  #cancel: () => void = () => undefined;
  #isClosed = false;

  constructor(private readonly parts: DiskStallParts) {}

  /** Undefined when there is none. */
  get trouble(): ErrorDetail | undefined {
    return this.#trouble;
  }

  /** The guest stands still for want of room. */
  async begin(): Promise<void> {
    const freeMib = await this.#freeMib().catch(() => 0);
    if (this.#isClosed) return;
    if (this.#trouble === undefined) {
      this.#trouble = hostDiskFull(freeMib, ROOM_MIB).detail;
      this.parts.onChange();
    }
    this.#lookLater();
  }

  /** It runs, or is to stand still for another reason. */
  end(): void {
    this.#cancel();
    if (this.#trouble === undefined) return;
    this.#trouble = undefined;
    this.parts.onChange();
  }

  /** Nothing begins any more. */
  close(): void {
    this.#isClosed = true;
    this.end();
  }

  #lookLater(): void {
    this.#cancel();
    this.#cancel = this.parts.clock.schedule(LOOK_MS, () => void this.#look());
  }

  /** QEMU tries the write again when it goes on; one that fails stops it again. */
  async #look(): Promise<void> {
    try {
      const hasRoom = (await this.#freeMib()) >= ROOM_MIB;
      if (this.#trouble === undefined) return;
      if (!hasRoom) return this.#lookLater();
      await this.parts.qmp.execute("cont");
      this.end();
    } catch {
      if (this.#trouble !== undefined) this.#lookLater();
    }
  }

  /** Of the fullest file system that one of its disks is on, as the guest's user has it. */
  async #freeMib(): Promise<number> {
    const { qmp, found } = this.parts;
    const files = await writtenFiles(qmp);
    const free = files.map(async (file) => {
      const { bavail, bsize } = await statfs(found(file));
      return Math.floor((bavail * bsize) / MIB);
    });
    return Math.min(...(await Promise.all(free)));
  }
}
