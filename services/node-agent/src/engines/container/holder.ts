/**
 * The holder of one container, seen from the agent: started by this one, or found again after a
 * restart. Its end is told by a pipe that it keeps open, so nothing is ever asked twice, and a
 * process id that the system gave to somebody else is never touched.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { Socket } from "node:net";
import { type Clock, unavailable } from "@innkeeper/core";
import type { IdRange } from "../guest-ids.js";
import type { ContainerDirectory } from "./container-directory.js";
import { NETWORK_PROGRAM } from "./container-network.js";
import { HOLDER_FILES, HOLDER_SCRIPT } from "./holder-script.js";
import type { Runtime } from "./runtimes.js";

/** How long a container may take to start. */
const START_TIMEOUT_MS = 20_000;

export interface HolderTerminal {
  /** A file; the terminal is mounted there, where only the holder and its container see it. */
  readonly path: string;
  /** By which a process joins the container's control group; empty = the runtime sees to that. */
  readonly groupFile: string;
}

/** A file system in a file, and where it is mounted: in the holder's mount namespace only. */
export interface HolderDisk {
  readonly path: string;
  readonly mountPoint: string;
}

export interface HolderStart {
  readonly directory: ContainerDirectory;
  readonly runtime: Runtime;
  /** Where to mount the root file system. */
  readonly rootPath: string;
  readonly isOverlay: boolean;
  /** Of the container, and of the images. */
  readonly ids: { readonly own: IdRange; readonly ofImages: IdRange };
  /** It gets a network that reaches out, and to which ports can be led. */
  readonly hasNetwork?: boolean;
  /** Its input and output are a terminal; undefined = pipes. */
  readonly terminal?: HolderTerminal | undefined;
  readonly disks?: readonly HolderDisk[];
  readonly clock: Clock;
}

/** Stands for one that has ended. */
export const NO_HOLDER: Pick<Holder, "gone" | "release"> = {
  gone: Promise.resolve(),
  release: () => undefined,
};

/** In a session of its own, so that it outlives this process. */
export class Holder {
  /** Resolves when the holder has ended; never rejects. */
  readonly gone: Promise<void>;
  readonly #pipe: Socket;

  private constructor(descriptor: number) {
    this.#pipe = new Socket({ fd: descriptor, readable: true, writable: false });
    this.gone = new Promise((resolve) => {
      this.#pipe.once("close", () => resolve());
    });
    this.#pipe.on("error", () => undefined).resume();
  }

  /**
   * Resolves when the guest's first process runs; undefined when that has ended already. @throws
   * `unavailable` with the last words of the runtime; nothing of it runs then but what is in the
   * control group.
   */
  static async start(start: HolderStart): Promise<Holder | undefined> {
    const { directory, clock } = start;
    const errors = openSync(directory.errorsFile, "a", 0o600);
    const child = spawn("perl", ["-e", HOLDER_SCRIPT, ...argumentsOf(start)], {
      cwd: directory.path,
      detached: true,
      stdio: ["ignore", "pipe", errors],
    });
    closeSync(errors);
    const cancel = clock.schedule(START_TIMEOUT_MS, () => child.kill("SIGKILL"));
    const isRunning = await saidThatItRuns(child);
    cancel();
    if (!isRunning) throw unavailable("engine", await whyNot(directory));
    child.unref();
    return Holder.find(directory);
  }

  /** Undefined when no holder of this container lives. */
  static find(directory: ContainerDirectory): Holder | undefined {
    let descriptor: number;
    try {
      const flags = constants.O_RDONLY | constants.O_NONBLOCK;
      descriptor = openSync(directory.file(HOLDER_FILES.alive), flags);
    } catch {
      return undefined;
    }
    if (hasWriter(descriptor)) return new Holder(descriptor);
    closeSync(descriptor);
    return undefined;
  }

  /** Lets go of it without ending it; `gone` resolves. */
  release(): void {
    this.#pipe.destroy();
  }
}

function argumentsOf(start: HolderStart): readonly string[] {
  const { directory, runtime, rootPath, isOverlay, hasNetwork, ids, terminal } = start;
  const disks = (start.disks ?? []).flatMap(({ path, mountPoint }) => [path, mountPoint]);
  const network = hasNetwork === true ? NETWORK_PROGRAM : "";
  const firstIds = [ids.ofImages, ids.own].map(({ firstId }) => String(firstId));
  const root = [directory.name, runtime, rootPath, isOverlay ? "1" : "0"];
  const first = [terminal?.path ?? "", terminal?.groupFile ?? ""];
  return [...root, network, ...firstIds, ...first, ...disks];
}

/** A pipe without a writer is at its end; one with a silent writer is not. */
function hasWriter(descriptor: number): boolean {
  try {
    return readSync(descriptor, Buffer.alloc(1)) > 0;
  } catch {
    return true;
  }
}

async function saidThatItRuns(child: ChildProcess): Promise<boolean> {
  const { stdout } = child;
  if (stdout === null) return false;
  const said = once(stdout, "data").then(() => true);
  const ended = new Promise<boolean>((resolve) => {
    child.once("error", () => resolve(false));
    child.once("close", () => resolve(false));
  });
  const isRunning = await Promise.race([said, ended]);
  said.catch(() => undefined);
  stdout.destroy();
  return isRunning;
}

async function whyNot(directory: ContainerDirectory): Promise<string> {
  const error = await directory.lastError();
  return error || "perl is not installed (Debian: perl-base), or the holder was ended";
}
