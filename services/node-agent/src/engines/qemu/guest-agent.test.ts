import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ExecOutput } from "@innkeeper/core";
import { systemClock } from "@innkeeper/core/platform";
import { FakeClock } from "@innkeeper/core/testing";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { GuestAgent, openAgentSocket } from "./guest-agent.js";
import { execByAgent } from "./guest-exec.js";

/** The other end of the channel, as an agent in a guest has it. */
class FakeGuest {
  readonly asked: { execute: string; arguments: Record<string, unknown> }[] = [];
  /** What is said to a command; undefined = nothing. */
  answer: (command: string, args: Record<string, unknown>) => unknown = () => ({});
  /** Sent before the answer to each synchronization. */
  stale = "";
  readonly #server: Server;
  readonly sockets: Socket[] = [];

  constructor(file: string) {
    this.#server = createServer((socket) => {
      this.sockets.push(socket);
      let text = "";
      socket.on("error", () => undefined);
      socket.on("data", (bytes) => {
        const lines = (text + bytes.toString("latin1").replaceAll("\xff", "")).split("\n");
        text = lines.pop() ?? "";
        for (const line of lines) this.#take(socket, line);
      });
    }).listen(file);
  }

  #take(socket: Socket, line: string): void {
    const message = JSON.parse(line) as (typeof this.asked)[0];
    if (message.execute === "guest-sync-delimited") {
      socket.write(Buffer.from(`${this.stale}\xff`, "latin1"));
      socket.write(`${JSON.stringify({ return: message.arguments["id"] })}\n`);
      return;
    }
    this.asked.push(message);
    const answer = this.answer(message.execute, message.arguments);
    if (answer !== undefined) socket.write(`${JSON.stringify(answer)}\n`);
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
  }
}

let directory: string;
let guest: FakeGuest;
let agent: GuestAgent;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), "inn-agent-"));
  const file = path.join(directory, "agent.sock");
  guest = new FakeGuest(file);
  agent = new GuestAgent(() => openAgentSocket(file), systemClock);
});

afterEach(() => {
  agent.close();
  guest.close();
  rmSync(directory, { recursive: true });
});

const PS = { path: "ps", arg: [], "capture-output": true } as const;

describe("the channel", () => {
  it("passes a command on and gives its answer", async () => {
    guest.answer = () => ({ return: { pid: 7 } });
    expect(await agent.execute("guest-exec", PS)).toEqual({ pid: 7 });
    expect(guest.asked).toEqual([{ execute: "guest-exec", arguments: PS }]);
  });

  it("throws away what an earlier command left unsaid (Q2)", async () => {
    guest.stale = '{"return": {"pid": 1}}\n{"return": 99}\n{"ret';
    guest.answer = () => ({ return: { pid: 2 } });
    expect(await agent.execute("guest-exec", PS)).toEqual({ pid: 2 });
  });

  it("asks one thing at a time (Q1)", async () => {
    guest.answer = (_, { pid }) => ({ return: { exited: true, exitcode: pid } });
    const asked = [3, 1, 2].map((pid) => agent.execute("guest-exec-status", { pid }));
    const codes = (await Promise.all(asked)).map(({ exitcode }) => exitcode);
    expect(codes).toEqual([3, 1, 2]);
  });

  it.each([
    ["an error", { error: { class: "GenericError", desc: "no\nway" } }, "refused: no way"],
    ["nothing of use", { return: 5 }, "nonsense"],
    ["no message at all", "}{", "nonsense"],
  ])("says what a guest answers: %s", async (_, answer, why) => {
    guest.answer = () => answer;
    await expect(agent.execute("guest-exec", PS)).rejects.toMatchObject({
      kind: "precondition",
      reason: "GUEST_AGENT_REFUSED",
      message: expect.stringContaining(why),
    });
    guest.answer = () => ({ return: { pid: 2 } });
    expect(await agent.execute("guest-exec", PS)).toEqual({ pid: 2 });
  });

  it("says that a guest is silent, and begins anew with the next command", async () => {
    const clock = new FakeClock();
    agent = new GuestAgent(() => openAgentSocket(path.join(directory, "agent.sock")), clock);
    guest.answer = () => undefined;
    const first = agent.execute("guest-exec", PS);
    const told = expect(first).rejects.toMatchObject({ reason: "GUEST_AGENT_SILENT" });
    await vi.waitFor(() => expect(guest.asked).toHaveLength(1));
    await clock.advance(10_000);
    await told;
    guest.answer = () => ({ return: { pid: 2 } });
    expect(await agent.execute("guest-exec", PS)).toEqual({ pid: 2 });
    expect(guest.sockets).toHaveLength(2);
  });

  it("lets go of a guest that sends a line without end", async () => {
    guest.answer = () => undefined;
    const asked = agent.execute("guest-exec", PS);
    const told = expect(asked).rejects.toMatchObject({ reason: "GUEST_AGENT_SILENT" });
    await vi.waitFor(() => expect(guest.asked).toHaveLength(1));
    const piece = Buffer.alloc(1024 * 1024, "x");
    for (let mib = 0; mib < 50; mib += 1) guest.sockets[0]?.write(piece);
    await told;
  });

  it("says false when nobody is there who would power off", async () => {
    guest.close();
    rmSync(path.join(directory, "agent.sock"), { force: true });
    expect(await agent.shutDown()).toBe(false);
  });

  it("asks for power-off and waits for no answer", async () => {
    expect(await agent.shutDown()).toBe(true);
    await vi.waitFor(() => expect(guest.asked[0]?.execute).toBe("guest-shutdown"));
  });
});

describe("commands", () => {
  const SH = { words: ["sh", "-c", "x"], input: Buffer.from("in"), timeoutMs: 60_000 };
  const live = new AbortController().signal;

  it("gives what a command printed when it has ended", async () => {
    let looks = 0;
    guest.answer = (command) => {
      if (command === "guest-exec") return { return: { pid: 7 } };
      looks += 1;
      if (looks < 3) return { return: { exited: false } };
      const [out, err] = ["out", "err"].map((text) => Buffer.from(text).toString("base64"));
      return { return: { exited: true, exitcode: 3, "out-data": out, "err-data": err } };
    };
    expect(await all(execByAgent({ agent, clock: systemClock }, SH, live))).toEqual([
      "stdout out",
      "stderr err",
      "exit 3 false",
    ]);
    expect(guest.asked[0]?.arguments).toMatchObject({
      path: "sh",
      arg: ["-c", "x"],
      "input-data": Buffer.from("in").toString("base64"),
    });
  });

  it("counts a signal as a shell does, and believes no odd code", async () => {
    const statuses = [{ signal: 9 }, { exitcode: 4000 }, { exitcode: "x" }];
    const codes = [];
    for (const status of statuses) {
      guest.answer = (command) =>
        command === "guest-exec" ? { return: { pid: 7 } } : { return: { exited: true, ...status } };
      codes.push(...(await all(execByAgent({ agent, clock: systemClock }, SH, live))));
    }
    expect(codes).toEqual(["exit 137 false", "exit 255 false", "exit 255 false"]);
  });

  it("says why a command cannot be started", async () => {
    guest.answer = () => ({ error: { class: "GenericError", desc: "No such file" } });
    const outputs = all(execByAgent({ agent, clock: systemClock }, SH, live));
    await expect(outputs).rejects.toMatchObject({
      reason: "COMMAND_NOT_STARTED",
      message: expect.stringContaining("No such file"),
    });
  });

  it.each(["timeout", "abort"])("ends a command in the guest at %s", async (what) => {
    guest.answer = (command) => ({
      return: command === "guest-exec" ? { pid: 7 } : { exited: false },
    });
    const abort = new AbortController();
    const timeoutMs = what === "timeout" ? 30 : 60_000;
    const request = { ...SH, timeoutMs };
    const outputs = all(execByAgent({ agent, clock: systemClock }, request, abort.signal));
    const reason = what === "timeout" ? "EXEC_TIMED_OUT" : "EXEC_BROKEN_OFF";
    const told = expect(outputs).rejects.toMatchObject({ reason });
    await vi.waitFor(() => expect(guest.asked.length).toBeGreaterThan(1));
    if (what === "abort") abort.abort();
    await told;
    expect(guest.asked.at(-1)).toMatchObject({
      execute: "guest-exec",
      arguments: { path: "/bin/sh", arg: ["-c", 'kill -KILL "$0"', "7"] },
    });
  });
});

async function all(outputs: AsyncIterable<ExecOutput>): Promise<string[]> {
  const lines = [];
  for await (const output of outputs) {
    lines.push(
      output.kind === "exit"
        ? `exit ${output.code} ${output.isCut}`
        : `${output.kind} ${Buffer.from(output.bytes).toString()}`,
    );
  }
  return lines;
}
