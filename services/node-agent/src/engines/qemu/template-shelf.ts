/**
 * The templates of one node on its disk: `<directory>/<key>/` holds the machine's state and a
 * description. One process owns the directory.
 *
 * H1 What is half made has another name, and is swept by whoever opens the shelf.
 * H2 A template is offered only while its bytes are those that were written: they are read once
 *    after each start of the agent.
 * H3 There are never more, and they never take more space, than the limits say; those that were not
 *    used for the longest time go first.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import {
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  utimes,
  writeFile,
} from "node:fs/promises";
import path from "node:path";
import type { Logger, NodeTemplate } from "@innkeeper/core";

const MIB = 1024 * 1024;
const NEW = ".new";
const STATE = "state";
const DESCRIPTION = "template.json";
const KEY = /^[0-9a-f]{64}$/;
const REMOVE = { recursive: true, force: true } as const;

export interface TemplateShelfOptions {
  readonly directory: string;
  /** How many there may be; 0 = none. */
  readonly templatesMax: number;
  /** What they may take together, in MiB. */
  readonly sizeMibMax: number;
  readonly log: Logger;
}

interface Description {
  readonly hostKey: string;
  readonly template: NodeTemplate;
  readonly sizeBytes: number;
  readonly sha256: string;
}

interface Kept extends Description {
  usedAtMs: number;
}

export class TemplateShelf {
  readonly #kept = new Map<string, Kept>();
  #hostKey = "";

  constructor(private readonly options: TemplateShelfOptions) {}

  get isOff(): boolean {
    return this.options.templatesMax === 0;
  }

  /** Takes up what an earlier process left, but for what belongs to another engine or host. */
  async open(hostKey: string): Promise<void> {
    const { directory, log } = this.options;
    this.#hostKey = hostKey;
    this.#kept.clear();
    await mkdir(directory, { recursive: true, mode: 0o700 });
    for (const name of await readdir(directory)) {
      const found = KEY.test(name) ? await this.#read(name) : undefined;
      if (typeof found === "object") this.#kept.set(name, found);
      else await rm(path.join(directory, name), REMOVE);
      if (typeof found === "string") log.warn({ template: name, why: found }, "a template is gone");
    }
    await this.#makeRoom(0);
  }

  list(): readonly NodeTemplate[] {
    return [...this.#kept.values()].map(({ template }) => template);
  }

  has(key: string): boolean {
    return this.#kept.has(key);
  }

  /** Where the state of the template is; it counts as used. */
  use(key: string, nowMs: number): string | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    kept.usedAtMs = nowMs;
    const seconds = nowMs / 1000;
    void utimes(this.#file(key, DESCRIPTION), seconds, seconds).catch(() => undefined);
    return this.#file(key, STATE);
  }

  /** A directory in which a template can be made; `keep` or `drop` follows. */
  async begin(key: string): Promise<{ readonly directory: string; readonly statePath: string }> {
    const directory = path.join(this.options.directory, `${key}${NEW}`);
    await rm(directory, REMOVE);
    await mkdir(directory, { mode: 0o700 });
    return { directory, statePath: path.join(directory, STATE) };
  }

  async drop(key: string): Promise<void> {
    await rm(path.join(this.options.directory, `${key}${NEW}`), REMOVE);
  }

  /** Of what is beside the state in the directory nothing is kept. False = there is no room. */
  async keep(key: string, template: NodeTemplate, nowMs: number): Promise<boolean> {
    const directory = path.join(this.options.directory, `${key}${NEW}`);
    const state = path.join(directory, STATE);
    const sizeBytes = await sync(state);
    if (!(await this.#makeRoom(sizeBytes))) return false;
    const sha256 = await sha256Of(state);
    const description: Description = { hostKey: this.#hostKey, template, sizeBytes, sha256 };
    for (const name of await readdir(directory)) {
      if (name !== STATE) await rm(path.join(directory, name), REMOVE);
    }
    await writeFile(path.join(directory, DESCRIPTION), JSON.stringify(description));
    await sync(path.join(directory, DESCRIPTION));
    await rm(path.join(this.options.directory, key), REMOVE);
    await rename(directory, path.join(this.options.directory, key));
    this.#kept.set(key, { ...description, usedAtMs: nowMs });
    return true;
  }

  async remove(key: string): Promise<void> {
    this.#kept.delete(key);
    await rm(path.join(this.options.directory, key), REMOVE);
  }

  /** Whether the file system has this much and some more. */
  async hasSpace(needMib: number): Promise<boolean> {
    const { bavail, bsize } = await statfs(this.options.directory);
    return bavail * bsize > 2 * needMib * MIB;
  }

  /** What is there, or why it cannot be used. */
  async #read(key: string): Promise<Kept | string> {
    try {
      const text = await readFile(this.#file(key, DESCRIPTION), "utf8");
      const description = JSON.parse(text) as Description;
      if (description.hostKey !== this.#hostKey) return "it is of another engine or processor";
      const { mtimeMs } = await stat(this.#file(key, DESCRIPTION));
      const isWhole = (await sha256Of(this.#file(key, STATE))) === description.sha256;
      return isWhole ? { ...description, usedAtMs: mtimeMs } : "its bytes have changed";
    } catch (error) {
      return error instanceof Error ? error.message : "it cannot be read";
    }
  }

  async #makeRoom(moreBytes: number): Promise<boolean> {
    const { templatesMax, sizeMibMax } = this.options;
    if (moreBytes > sizeMibMax * MIB) return false;
    const more = moreBytes > 0 ? 1 : 0;
    const byUse = [...this.#kept].sort(([, a], [, b]) => a.usedAtMs - b.usedAtMs);
    const taken = (): number =>
      [...this.#kept.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, moreBytes);
    for (const [key] of byUse) {
      if (this.#kept.size + more <= templatesMax && taken() <= sizeMibMax * MIB) return true;
      await this.remove(key);
    }
    return this.#kept.size + more <= templatesMax;
  }

  #file(key: string, name: string): string {
    return path.join(this.options.directory, key, name);
  }
}

/** Its size in bytes, once they are on the disk. */
async function sync(file: string): Promise<number> {
  const handle = await open(file, "r+");
  try {
    await handle.sync();
    return (await handle.stat()).size;
  } finally {
    await handle.close();
  }
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(file, { highWaterMark: MIB })) {
    hash.update(piece as Buffer);
  }
  return hash.digest("hex");
}
