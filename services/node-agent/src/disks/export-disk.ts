/**
 * A guest's first disk as one file that needs no other, made beside the disks of guests and removed
 * when it was read. Files of processes that ended are swept by the next one.
 */
import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import { cloneCancelled, EXPORTS_MAX, type ExportedDisk, exportBusy } from "@innkeeper/core";
import { qemuImg } from "./qemu-img.js";

/** No guest is called so. */
const EXPORTS = "exports";
const PIECE_BYTES = 256 * 1024;

export interface DiskToExport {
  readonly guestUid: string;
  /** Name of the disk's file. */
  readonly file: string;
  /** Empty = as it is: QEMU's lock refuses it while a machine has it open. */
  readonly snapshotUid: string;
}

interface Yielding {
  readonly guestUid: string;
  readonly ended: Promise<unknown>;
}

export class DiskExports {
  readonly #directory: string;
  /** Of disks as they are, and whose. */
  readonly #yielding = new Map<AbortController, Yielding>();
  #count = 0;

  /** @param root of the disk store */
  constructor(root: string) {
    this.#directory = path.join(root, EXPORTS);
  }

  async sweep(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** Who is about to use the guest's disks does not wait for who copies them away. */
  async giveWay(guestUid: string): Promise<void> {
    const theirs = [...this.#yielding].filter(([, each]) => each.guestUid === guestUid);
    for (const [controller] of theirs) controller.abort();
    await Promise.all(theirs.map(([, { ended }]) => ended));
  }

  /** @throws `capacity` (EXPORT_BUSY), `cancelled`, `precondition` (DISK_STORE_FAILED). */
  async make(disk: DiskToExport, signal: AbortSignal): Promise<ExportedDisk> {
    if (this.#count >= EXPORTS_MAX) throw exportBusy();
    this.#count += 1;
    const target = `${randomUUID()}.qcow2`;
    const yielding = new AbortController();
    const made = this.#convert(disk, target, AbortSignal.any([signal, yielding.signal]));
    const ended = made.catch(() => undefined);
    if (disk.snapshotUid === "") this.#yielding.set(yielding, { guestUid: disk.guestUid, ended });
    try {
      return await made;
    } catch (error) {
      await this.#remover(target)();
      throw signal.aborted || yielding.signal.aborted ? cloneCancelled() : error;
    } finally {
      this.#yielding.delete(yielding);
    }
  }

  async #convert(
    { guestUid, file, snapshotUid }: DiskToExport,
    target: string,
    signal: AbortSignal,
  ): Promise<ExportedDisk> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const moment = snapshotUid === "" ? [] : ["-U", "-l", `snapshot.name=${snapshotUid}`];
    const options = ["-q", "-f", "qcow2", "-O", "qcow2", ...moment];
    // A UUID and names of ours.
    const source = `../${guestUid}/${file}`;
    await qemuImg(this.#directory, ["convert", ...options, source, target], { signal });
    const made = path.join(this.#directory, target);
    const { size: sizeBytes } = await stat(made);
    const read = (): AsyncIterable<Uint8Array> =>
      createReadStream(made, { highWaterMark: PIECE_BYTES });
    return { sizeBytes, read, remove: this.#remover(target) };
  }

  /** Gives its place to the next, once. */
  #remover(target: string): () => Promise<void> {
    let isThere = true;
    return async () => {
      if (isThere) this.#count -= 1;
      isThere = false;
      await rm(path.join(this.#directory, target), { force: true });
    };
  }
}
