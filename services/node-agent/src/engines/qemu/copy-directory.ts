/**
 * The directory of one copy: `<state>/<guest uid>.<epoch>`, holding everything that belongs to it.
 * QEMU runs inside it and names its files relatively, so no path of ours is ever parsed by QEMU,
 * however odd the data directory's name is.
 *
 * Where QEMU has a user of its own, the directory is root's and its group is that user's: QEMU
 * makes its sockets there while it starts, and nothing after that. So an agent that reads a file
 * there is led nowhere else by a guest that has broken out.
 */
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { chmod, chown, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { type CopyRef, unavailable } from "@innkeeper/core";
import { copyName } from "../copy-name.js";

/** Names inside the directory. */
export const COPY_FILES = {
  monitor: "qmp.sock",
  serial: "serial.sock",
  /** Of the guest agent; only there for images that run one. */
  agent: "agent.sock",
  /** Where a machine that becomes a template sends its state. */
  state: "state.sock",
  console: "console.log",
  errors: "qemu.log",
  pid: "qemu.pid",
  /** JSON: the directories that are open in QEMU, in the order of their descriptors. */
  handed: "handed.json",
  /** There from the launch of a receiving copy until it is first resumed. */
  incoming: "incoming",
} as const;

/** Its group may walk through it; while QEMU starts, also make files. */
const [OPEN, CLOSED] = [0o730, 0o710];

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

  /** Empty, where nothing is. @param userId of QEMU; undefined = the agent's. */
  async make(userId: number | undefined): Promise<void> {
    await mkdir(this.path, { recursive: true, mode: 0o700 });
    if (userId === undefined) return;
    await chown(this.path, 0, userId);
    await chmod(this.path, OPEN);
    await this.write(COPY_FILES.console, new Uint8Array(), userId);
  }

  /** QEMU has made its sockets. @throws `unavailable` when it has made anything else. */
  async close(): Promise<void> {
    await chmod(this.path, CLOSED);
    const entries = await readdir(this.path, { withFileTypes: true });
    const odd = entries.find((each) => !(each.isFile() || each.isSocket()));
    if (odd !== undefined) throw unavailable("engine", `it has made ${odd.name} in its directory`);
  }

  /** Whom QEMU runs as, by the directory's group; undefined = root, or nothing is there. */
  async userId(): Promise<number | undefined> {
    const made = await stat(this.path).catch(() => undefined);
    return made?.gid === 0 ? undefined : made?.gid;
  }

  /** A socket of the agent's that QEMU may use. */
  async giveToGuest(name: "state"): Promise<void> {
    const userId = await this.userId();
    if (userId !== undefined) await chown(this.file(name), userId, userId);
  }

  /** A file of the copy alone, by a name of ours. */
  async write(name: string, bytes: Uint8Array, userId?: number): Promise<void> {
    const file = path.join(this.path, name);
    await writeFile(file, bytes, { mode: 0o600 });
    if (userId !== undefined) await chown(file, userId, userId);
  }

  /** None where QEMU runs as the agent does. */
  handed(): readonly string[] {
    try {
      return JSON.parse(readFileSync(this.file("handed"), "utf8")) as readonly string[];
    } catch {
      return [];
    }
  }

  async noteProcess(pid: number, handed: readonly string[]): Promise<void> {
    await this.write(COPY_FILES.handed, Buffer.from(JSON.stringify(handed)));
    await this.write(COPY_FILES.pid, Buffer.from(`${pid}\n`));
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
    name: "monitor" | "serial" | "agent" | "state",
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
