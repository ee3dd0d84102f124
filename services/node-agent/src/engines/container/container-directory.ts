/**
 * The directory of one container: `<state>/<guest uid>.<epoch>`, holding everything of it but its
 * control group. Deep trees that a guest made in it are removed by `rm`, which knows no longest
 * path.
 */
import { execFile } from "node:child_process";
import { access, chown, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import {
  type CopyDisk,
  type CopyRef,
  type LaunchSize,
  type SeedFile,
  unavailable,
} from "@innkeeper/core";
import { copyName } from "../copy-name.js";
import type { IdRange } from "../guest-ids.js";
import { type ProcessEnd, parseEnd } from "./exit-reason.js";
import { HOLDER_FILES } from "./holder-script.js";
import type { Runtime } from "./runtimes.js";

/** Names inside the directory, beside the holder's own. */
export const SEED = "seed";
const ERRORS = "errors";
const CONFIG = "config.json";
const LAUNCHED = "launched.json";
const LIMITS = "limits.json";

/** What an agent that adopts the copy must know of its launch. */
export interface Launched extends LaunchSize {
  readonly runtime: Runtime;
  /** First of its user ids on the host; undefined = the copy is of an older agent. */
  readonly firstId?: number;
  /** Absent = none, as in all copies of old. */
  readonly disks?: readonly Pick<CopyDisk, "name" | "sizeMib">[];
  /** Its first process is systemd, on a terminal. */
  readonly isSystemd?: boolean;
}

export class ContainerDirectory {
  readonly name: string;
  readonly path: string;

  constructor(
    stateDirectory: string,
    readonly ref: CopyRef,
  ) {
    this.name = copyName(ref);
    this.path = path.join(stateDirectory, this.name);
  }

  file(name: string): string {
    return path.join(this.path, name);
  }

  get errorsFile(): string {
    return this.file(ERRORS);
  }

  async make(made: { readonly config: object; readonly launched: Launched }): Promise<void> {
    await mkdir(this.path, { recursive: true, mode: 0o700 });
    await writeFile(this.file(CONFIG), JSON.stringify(made.config), { mode: 0o600 });
    await writeFile(this.file(LAUNCHED), JSON.stringify(made.launched));
  }

  /** For the container's root to read, and nobody else. */
  async makeSeed(files: readonly SeedFile[], { firstId }: IdRange): Promise<void> {
    await mkdir(this.file(SEED), { mode: 0o700 });
    for (const { name, bytes } of files) {
      await writeFile(this.file(path.join(SEED, name)), bytes, { mode: 0o600 });
      await chown(this.file(path.join(SEED, name)), firstId, firstId);
    }
    await chown(this.file(SEED), firstId, firstId);
  }

  /** Undefined where the agent ended before it could note it: nothing runs there. */
  async launched(): Promise<Launched | undefined> {
    try {
      return JSON.parse(await readOrEmpty(this.file(LAUNCHED))) as Launched;
    } catch {
      return undefined;
    }
  }

  async writeLimits(limits: object): Promise<string> {
    await writeFile(this.file(LIMITS), JSON.stringify(limits));
    return LIMITS;
  }

  async remove(): Promise<void> {
    await removeTree(this.path);
  }

  async exists(): Promise<boolean> {
    return await access(this.path).then(
      () => true,
      () => false,
    );
  }

  /** How the first process ended, as the holder noted it. */
  async end(): Promise<ProcessEnd | undefined> {
    return parseEnd(await readOrEmpty(this.file(HOLDER_FILES.exit)));
  }

  async pid(): Promise<number | undefined> {
    const pid = Number(await readOrEmpty(this.file(HOLDER_FILES.pid)));
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  }

  /** The last thing that the runtime or the holder complained about. */
  async lastError(): Promise<string> {
    const lines = (await readOrEmpty(this.errorsFile)).split("\n").filter(Boolean);
    return lines.at(-1)?.trim() ?? "";
  }
}

/** Idempotent. @throws `unavailable` when something cannot be removed. */
export async function removeTree(directory: string): Promise<void> {
  try {
    await promisify(execFile)("rm", ["-rf", "--", directory]);
  } catch (error) {
    throw unavailable("engine", `${directory} cannot be removed`, error);
  }
}

async function readOrEmpty(file: string): Promise<string> {
  return await readFile(file, "utf8").catch(() => "");
}
