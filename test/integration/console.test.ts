/**
 * The console by `inn` on a real pseudo-terminal (`script`, of every Debian): the terminal is as it
 * was, however it ends; one may write, any number may read.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { PATIENCE, Programs, type Started } from "./programs.js";

const INN = fileURLToPath(new URL("../../dist/inn.js", import.meta.url));
const ESCAPE = "\u001d";

let programs: Programs;
let cluster: Started;

beforeEach(async () => {
  programs = new Programs();
  cluster = await programs.up("data", ["--engines", "sim", "--nodes", "1"]);
  const guest = ["--image", "tiny", "--memory", "32MiB"];
  expect((await programs.inn(cluster.address, "guest", "create", "a", ...guest)).code).toBe(0);
});

afterEach(async () => {
  await programs.dispose();
});

/** A shell on a terminal of its own, which notes how the terminal was before and after. */
class TerminalSession {
  readonly child: ChildProcess;
  #seen = "";

  constructor(command: string) {
    const notes = (name: string) => path.join(programs.directory, name);
    const before = `tty > ${notes("tty")}; stty -a > ${notes("before")}`;
    const after = `echo $? > ${notes("code")}; stty -a > ${notes("after")}`;
    const script = `${before}; ${command} & echo $! > ${notes("pid")}; fg >/dev/null; ${after}`;
    const shell = `bash -mc '${script}'`;
    this.child = spawn("script", ["-qec", shell, "/dev/null"], {
      cwd: programs.directory,
      stdio: ["pipe", "pipe", "ignore"],
    });
    this.child.stdout?.on("data", (bytes: Buffer) => {
      this.#seen += bytes.toString("latin1");
    });
  }

  type(text: string): void {
    this.child.stdin?.write(text);
  }

  async untilSays(pattern: RegExp): Promise<void> {
    await vi.waitFor(() => expect(this.#seen).toMatch(pattern), PATIENCE);
  }

  note(name: string): string {
    const file = path.join(programs.directory, name);
    return existsSync(file) ? readFileSync(file, "utf8").trim() : "";
  }

  /** As it is now. */
  settings(): string {
    return execFileSync("stty", ["-a", "-F", this.note("tty")], { encoding: "utf8" });
  }

  get innPid(): number {
    return Number(this.note("pid"));
  }

  async ended(): Promise<void> {
    this.child.stdin?.end();
    if (this.child.exitCode === null) await once(this.child, "close");
  }
}

const ENDS = {
  "the escape key": (session: TerminalSession) => session.type(ESCAPE),
  "a termination signal": (session: TerminalSession) => process.kill(session.innPid, "SIGTERM"),
  "a lost line": (session: TerminalSession) => process.kill(session.innPid, "SIGHUP"),
  "the end of the cluster": () => void programs.kill(cluster),
};

describe("a terminal at a console", () => {
  it.each(Object.keys(ENDS) as (keyof typeof ENDS)[])("is as it was after %s", async (end) => {
    const env = `env INN_PROJECT= INN_ENDPOINT=${cluster.address}`;
    const session = new TerminalSession(`${env} ${process.execPath} ${INN} guest console a`);
    await session.untilSays(/attached to a; Ctrl-\] leaves/);
    await session.untilSays(/beat 1/);
    expect(session.settings()).toMatch(/ -icanon .* -echo /s);
    ENDS[end](session);
    await vi.waitFor(() => expect(session.note("after")).not.toBe(""), PATIENCE);
    await session.ended();
    expect(session.note("before")).toMatch(/ icanon .* echo /s);
    expect(session.note("after")).toBe(session.note("before"));
    expect(session.note("code")).toBe(end === "the end of the cluster" ? "5" : "0");
  });
});

describe("a console without a terminal", () => {
  it("prints what comes for a while after the end of its input", async () => {
    const { address } = cluster;
    const read = await programs.inn(address, "guest", "console", "a", "--linger", "3s");
    expect(read).toMatchObject({ code: 0, err: "" });
    expect(read.out).toMatch(/beat [0-9]+/);
  });

  it("may be written to by one at a time, and taken by force; any number may read", async () => {
    const { address } = cluster;
    const console = ["guest", "console", "a", "--linger", "1h"];
    const writer = programs.innLater(address, ...console);
    await vi.waitFor(() => expect(writer.out()).toMatch(/beat/), PATIENCE);
    const refused = await programs.inn(address, ...console);
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(/\S+@\S+ writes to this console.*\[CONSOLE_HELD\]/);
    const reader = programs.innLater(address, ...console, "--read-only");
    await vi.waitFor(() => expect(reader.out()).toMatch(/beat/), PATIENCE);
    const taker = programs.innLater(address, ...console, "--force");
    await writer.ended();
    expect([writer.child.exitCode, writer.err()]).toEqual([
      1,
      expect.stringMatching(/took this console \[CONSOLE_TAKEN\]/),
    ]);
    const seen = reader.out().length;
    await vi.waitFor(() => expect(reader.out().length).toBeGreaterThan(seen), PATIENCE);
    taker.child.kill("SIGTERM");
    await taker.ended();
    const next = programs.innLater(address, ...console);
    await vi.waitFor(() => expect(next.out()).toMatch(/beat/), PATIENCE);
  });

  it("is not found for a guest that is not there", async () => {
    const { code, err } = await programs.inn(cluster.address, "guest", "console", "none");
    expect([code, err]).toEqual([3, expect.stringContaining("[GUEST_NOT_FOUND]")]);
  });
});
