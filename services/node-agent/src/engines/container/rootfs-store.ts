/**
 * Root file systems, unpacked once for each image and shared: a copy sees it below a layer of its
 * own (overlay), or, where the host cannot do that, gets one unpacked for itself.
 *
 * R1 A directory under its key is whole: it is renamed there when all is unpacked.
 * R2 What is unpacked belongs to ids of guests, nothing to the host's: to the images' when it is
 *    shared, to the container's own when it is not.
 * R3 A copy with a layer of its own can write as much as that holds, and takes no more of the host.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  access,
  chown,
  mkdir,
  open,
  readdir,
  readlink,
  rename,
  stat,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { toDomainError, unavailable } from "@innkeeper/core";
import { copyName, listCopies } from "../copy-name.js";
import type { IdRange } from "../guest-ids.js";
import { type ContainerDirectory, removeTree } from "./container-directory.js";
import { HOLDER_FILES } from "./holder-script.js";
import { UNPACK_SCRIPT } from "./unpack-script.js";

export const ROOT_STORAGES = ["overlay", "plain"] as const;
export type RootStorage = (typeof ROOT_STORAGES)[number];

const IMAGES = "images";
const ERROR_BYTES_MAX = 1000;
const MIB = 1024 * 1024;

/** By the first bytes of an archive, the option that lets `tar` read it. */
const COMPRESSIONS: readonly { readonly magic: string; readonly option: string }[] = [
  { magic: "1f8b", option: "--gzip" },
  { magic: "28b52ffd", option: "--zstd" },
  { magic: "fd377a58", option: "--xz" },
];

export interface RootfsNeeds {
  readonly storage: RootStorage;
  readonly own: IdRange;
  /** What the copy may write. */
  readonly diskMib: number;
}

export class RootfsStore {
  readonly #images: string;
  /** Under way, by key. */
  readonly #unpacking = new Map<string, Promise<void>>();

  constructor(
    private readonly stateDirectory: string,
    private readonly ofImages: IdRange,
  ) {
    this.#images = path.join(stateDirectory, IMAGES);
  }

  /** @throws `unavailable` when the archive cannot be read or unpacked. */
  async provide(
    directory: ContainerDirectory,
    archive: string,
    { storage, own, diskMib }: RootfsNeeds,
  ): Promise<void> {
    if (storage === "plain") return await unpack(archive, directory.file("root"), own);
    const { lower, image, disk, diskFile } = HOLDER_FILES;
    await symlink(await this.#unpackOnce(archive), directory.file(lower));
    for (const mountPoint of [image, disk]) await mkdir(directory.file(mountPoint));
    await makeDisk(directory.path, diskFile, diskMib);
  }

  /** Removes what no copy uses and what a broken unpacking left. */
  async prune(): Promise<void> {
    const used = new Set<string>();
    for (const ref of await listCopies(this.stateDirectory)) {
      const lower = path.join(this.stateDirectory, copyName(ref), "lower");
      used.add(path.basename(await readlink(lower).catch(() => "")));
    }
    for (const name of await readdir(this.#images).catch(() => [])) {
      if (!used.has(name)) await removeTree(path.join(this.#images, name));
    }
  }

  async #unpackOnce(archive: string): Promise<string> {
    const key = await keyOf(archive, this.ofImages);
    const target = path.join(this.#images, key);
    const running = this.#unpacking.get(key) ?? this.#unpackUnlessThere(archive, target);
    this.#unpacking.set(key, running);
    try {
      await running;
    } finally {
      this.#unpacking.delete(key);
    }
    return target;
  }

  async #unpackUnlessThere(archive: string, target: string): Promise<void> {
    if (await isThere(target)) return;
    const partial = `${target}.partial`;
    await removeTree(partial);
    await unpack(archive, partial, this.ofImages);
    await rename(partial, target);
  }
}

/** The same for the same file, whose content never changes under its name. */
async function keyOf(archive: string, { firstId }: IdRange): Promise<string> {
  try {
    const { size, mtimeMs } = await stat(archive);
    return createHash("sha256").update(`${archive}\0${size}\0${mtimeMs}\0${firstId}`).digest("hex");
  } catch (error) {
    throw unavailable("root file system", toDomainError(error).message, error);
  }
}

async function unpack(archive: string, target: string, ids: IdRange): Promise<void> {
  const file = await open(archive).catch((error: unknown) => {
    throw unavailable("root file system", "its archive cannot be read", error);
  });
  try {
    await makeForGuests(target, ids);
    const magic = await firstBytes(file);
    const option = COMPRESSIONS.find((each) => magic.startsWith(each.magic))?.option;
    const tar = ["tar", "--extract", "--numeric-owner", "--preserve-permissions", "--file", "-"];
    const args = [String(ids.firstId), String(ids.count), ...tar, ...(option ? [option] : [])];
    const child = spawn("perl", ["-e", UNPACK_SCRIPT, ...args], {
      cwd: target,
      stdio: [file.fd, "ignore", "pipe"],
    });
    await succeeded(child);
  } catch (error) {
    await removeTree(target);
    throw error;
  } finally {
    await file.close();
  }
}

async function firstBytes(file: Awaited<ReturnType<typeof open>>): Promise<string> {
  const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
  return buffer.toString("hex");
}

async function succeeded(child: ChildProcess): Promise<void> {
  let errors = "";
  child.stderr?.on("data", (bytes: Buffer) => {
    errors = `${errors}${bytes.toString("latin1")}`.slice(-ERROR_BYTES_MAX);
  });
  let code: unknown;
  try {
    [code] = (await once(child, "close")) as unknown[];
  } catch (error) {
    throw unavailable("root file system", "perl is not installed (Debian: perl-base)", error);
  }
  const [first = "no reason given"] = errors.trim().split("\n");
  if (code !== 0) throw unavailable("root file system", `it cannot be unpacked: ${first}`);
}

/** The guest's root owns it. */
async function makeForGuests(directory: string, { firstId }: IdRange): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o755 });
  await chown(directory, firstId, firstId);
}

/** Sparse: it takes what is written. It is gone with the container, so it needs no journal. */
async function makeDisk(directory: string, file: string, sizeMib: number): Promise<void> {
  const full = path.join(directory, file);
  await writeFile(full, "", { mode: 0o600 });
  await truncate(full, sizeMib * MIB);
  const options = ["-q", "-F", "-m", "0", "-O", "^has_journal,^resize_inode"];
  const args = [...options, "-E", "lazy_itable_init=1,nodiscard", file];
  try {
    await promisify(execFile)("mkfs.ext4", args, { cwd: directory });
  } catch (error) {
    throw unavailable("root file system", "mkfs.ext4 does not work (Debian: e2fsprogs)", error);
  }
}

async function isThere(target: string): Promise<boolean> {
  return await access(target).then(
    () => true,
    () => false,
  );
}
