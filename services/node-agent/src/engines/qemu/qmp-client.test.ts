import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { QmpClient } from "./qmp-client.js";
import type { QmpEvent } from "./qmp-protocol.js";

const GREETING = '{"QMP": {"version": {}, "capabilities": []}}\r\n';

/** QEMU's side of a monitor: notes what arrives, says what the test wants. */
class FakeMonitor {
  readonly directory = mkdtempSync(path.join(tmpdir(), "inn-qmp-"));
  readonly address = path.join(this.directory, "qmp.sock");
  readonly commands: { execute: string; arguments?: unknown; id: number }[] = [];
  readonly #server: Server;
  #socket: Socket | undefined;

  constructor({ greets }: { greets: boolean } = { greets: true }) {
    this.#server = createServer((socket) => {
      this.#socket = socket;
      if (greets) socket.write(GREETING);
      socket.on("error", () => undefined);
      let rest = "";
      socket.on("data", (bytes) => {
        const lines = (rest + bytes.toString()).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) this.commands.push(JSON.parse(line) as never);
      });
    });
  }

  listen(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.listen(this.address, resolve);
    });
  }

  say(text: string): void {
    this.#socket?.write(text);
  }

  hangUp(): void {
    this.#socket?.destroy();
  }

  async connected(): Promise<void> {
    await vi.waitFor(() => expect(this.#socket).toBeDefined());
  }

  /** The command with this number, as soon as it has arrived. */
  async command(number: number) {
    await vi.waitFor(() => expect(this.commands.length).toBeGreaterThanOrEqual(number));
    const command = this.commands[number - 1];
    if (command === undefined) throw new Error("no such command");
    return command;
  }

  async answer(number: number, answer: object): Promise<void> {
    const { id } = await this.command(number);
    this.say(`${JSON.stringify({ ...answer, id })}\r\n`);
  }

  close(): void {
    this.#socket?.destroy();
    this.#server.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

let monitor: FakeMonitor;
let client: QmpClient;

beforeEach(async () => {
  monitor = new FakeMonitor();
  await monitor.listen();
  const opened = await QmpClient.open(monitor.address);
  if (opened === undefined) throw new Error("nobody listens");
  client = opened;
  const negotiated = client.negotiate();
  await monitor.answer(1, { return: {} });
  await negotiated;
});

afterEach(() => {
  client.close();
  monitor.close();
});

const ENDED = { kind: "precondition", reason: "COPY_ENDED" };

describe("a monitor", () => {
  it("is greeted before the first command", () => {
    expect(monitor.commands[0]?.execute).toBe("qmp_capabilities");
  });

  it("is not there when nobody listens", async () => {
    expect(await QmpClient.open(path.join(monitor.directory, "none"))).toBeUndefined();
  });

  it("takes arguments and gives answers", async () => {
    const answer = client.execute("migrate", { uri: "tcp:[::1]:1" });
    expect(await monitor.command(2)).toMatchObject({
      execute: "migrate",
      arguments: { uri: "tcp:[::1]:1" },
    });
    await monitor.answer(2, { return: { done: 1 } });
    expect(await answer).toEqual({ done: 1 });
  });

  it("gives each answer to the one who asked, in any order", async () => {
    const status = client.execute("query-status");
    const migration = client.execute("query-migrate");
    await monitor.answer(3, { return: { status: "active" } });
    await monitor.answer(2, { return: { status: "running", running: true } });
    expect(await status).toMatchObject({ running: true });
    expect(await migration).toEqual({ status: "active" });
  });

  it("may send a message in pieces, and several at once", async () => {
    const events: QmpEvent[] = [];
    client.onEvent((event) => events.push(event));
    const status = client.execute("query-status");
    const { id } = await monitor.command(2);
    monitor.say('{"event": "ST');
    monitor.say('OP"}\r\n{"event": "RESUME", "data": {"a": "é');
    monitor.say(`"}}\r\n\r\n{"return": {"status": "running"}, "id": ${id}}\r\n`);
    expect(await status).toEqual({ status: "running" });
    expect(events.map(({ event }) => event)).toEqual(["STOP", "RESUME"]);
  });

  it("may refuse a command, saying why", async () => {
    const refused = client.execute("cont");
    await monitor.answer(2, { error: { class: "GenericError", desc: "not now" } });
    await expect(refused).rejects.toMatchObject({
      reason: "ENGINE_REFUSED",
      message: "the hypervisor refused cont: not now",
    });
    const again = client.execute("cont");
    await monitor.answer(3, { return: {} });
    expect(await again).toEqual({});
  });

  it("may answer what nobody asked", async () => {
    monitor.say('{"return": {}, "id": 4711}\r\n{"return": {}}\r\n');
    const status = client.execute("query-status");
    await monitor.answer(2, { return: { status: "paused" } });
    expect(await status).toEqual({ status: "paused" });
  });
});

describe("the end of a connection", () => {
  it("rejects what waits, and every later command", async () => {
    const waiting = [client.execute("query-status"), client.execute("stop")];
    await monitor.command(3);
    monitor.hangUp();
    for (const each of waiting) await expect(each).rejects.toMatchObject(ENDED);
    await client.closed;
    await expect(client.execute("cont")).rejects.toMatchObject(ENDED);
  });

  it("is our own doing after close", async () => {
    const waiting = client.execute("query-status");
    client.close();
    await expect(waiting).rejects.toMatchObject(ENDED);
    await client.closed;
  });

  it("comes when a line does not end", async () => {
    const waiting = client.execute("query-status");
    monitor.say(`{"event": "${"x".repeat(2 * 1024 * 1024)}`);
    await expect(waiting).rejects.toMatchObject(ENDED);
  });

  it("comes when a line is not JSON, and does not end this process", async () => {
    const waiting = client.execute("query-status");
    monitor.say("segmentation fault\r\n");
    await expect(waiting).rejects.toMatchObject(ENDED);
  });

  it("before the greeting fails the negotiation", async () => {
    const other = new FakeMonitor({ greets: false });
    await other.listen();
    const opened = await QmpClient.open(other.address);
    const negotiated = opened?.negotiate();
    await other.connected();
    other.hangUp();
    await expect(negotiated).rejects.toMatchObject(ENDED);
    other.close();
  });
});
