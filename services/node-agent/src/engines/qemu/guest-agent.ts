/**
 * The QEMU guest agent of one copy, by a Unix socket whose other end is a port of the guest. What
 * comes from there is the guest's word: bounded, parsed, never trusted.
 *
 * Q1 One command at a time: the agent answers in order, and knows no ids.
 * Q2 A connection on which anything went wrong is closed; the next command begins with a
 *    synchronization that throws away whatever the agent still had to say.
 */
import { connect, type Socket } from "node:net";
import { type Clock, type DomainError, precondition } from "@innkeeper/core";

/** Output of a command comes in one line of base64: 16 MiB of each of two streams. */
const LINE_BYTES_MAX = 48 * 1024 * 1024;
/** An emulated guest that is busy may take its time. */
const ANSWER_TIMEOUT_MS = 10_000;
const SYNC_TIMEOUT_MS = 3_000;
/** What the agent sends before the answer to a synchronization, and is sent to reset its parser. */
const DELIMITER = 0xff;
const NEW_LINE = 0x0a;

export interface AgentCommands {
  readonly "guest-exec": {
    readonly args: {
      readonly path: string;
      readonly arg: readonly string[];
      readonly "input-data"?: string;
      readonly "capture-output": boolean;
    };
    readonly answer: { readonly pid: number };
  };
  readonly "guest-exec-status": {
    readonly args: { readonly pid: number };
    readonly answer: {
      readonly exited: boolean;
      readonly exitcode?: number;
      readonly signal?: number;
      readonly "out-data"?: string;
      readonly "err-data"?: string;
      readonly "out-truncated"?: boolean;
      readonly "err-truncated"?: boolean;
    };
  };
  /** Has no answer when it works. */
  readonly "guest-shutdown": {
    readonly args: { readonly mode: "powerdown" };
    readonly answer: undefined;
  };
}

type Open = () => Promise<Socket>;

export class GuestAgent {
  #socket: Socket | undefined;
  #lines: LineReader | undefined;
  #syncId = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** @param open connects to the port once */
  constructor(
    private readonly open: Open,
    private readonly clock: Clock,
  ) {}

  /**
   * @throws `precondition`: GUEST_AGENT_SILENT when it does not answer in time, GUEST_AGENT_REFUSED
   * with what it says.
   */
  execute<Name extends keyof AgentCommands>(
    command: Name,
    args: AgentCommands[Name]["args"],
  ): Promise<AgentCommands[Name]["answer"]> {
    const work = this.#last.then(() => this.#executeNow(command, args));
    this.#last = work.catch(() => undefined);
    return work as Promise<AgentCommands[Name]["answer"]>;
  }

  /** Asks for power-off. False when there is nobody who would do it. */
  async shutDown(): Promise<boolean> {
    const work = this.#last.then(async () => {
      const { socket } = await this.#synchronized();
      const args = { mode: "powerdown" };
      socket.write(line({ execute: "guest-shutdown", arguments: args }));
    });
    this.#last = work.catch(() => undefined);
    return await work.then(
      () => true,
      () => false,
    );
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#lines = undefined;
  }

  async #executeNow(command: string, args: object): Promise<unknown> {
    const { socket, lines } = await this.#synchronized();
    socket.write(line({ execute: command, arguments: args }));
    return await this.#answer(lines, ANSWER_TIMEOUT_MS);
  }

  /** Every command begins anew: a guest may have been reset, or its agent started again. */
  async #synchronized(): Promise<{ socket: Socket; lines: LineReader }> {
    try {
      const { socket, lines } = await this.#connected();
      this.#syncId += 1;
      const id = this.#syncId;
      const sync = { execute: "guest-sync-delimited", arguments: { id } };
      socket.write(Buffer.concat([Buffer.of(DELIMITER), line(sync)]));
      for (;;) {
        const found = await lines.next(this.clock, SYNC_TIMEOUT_MS);
        if (found.isDelimited && parse(found.bytes)?.["return"] === id) return { socket, lines };
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  async #connected(): Promise<{ socket: Socket; lines: LineReader }> {
    if (this.#socket === undefined || this.#lines === undefined || this.#socket.destroyed) {
      this.#socket = await this.open();
      this.#lines = new LineReader(this.#socket);
    }
    return { socket: this.#socket, lines: this.#lines };
  }

  async #answer(lines: LineReader, timeoutMs: number): Promise<unknown> {
    let message: Readonly<Record<string, unknown>> | undefined;
    try {
      message = parse((await lines.next(this.clock, timeoutMs)).bytes);
    } catch (error) {
      this.close();
      throw error;
    }
    const answer = message?.["return"];
    if (typeof answer === "object" && answer !== null) return answer;
    this.close();
    throw refused(message);
  }
}

/** Connects to a Unix socket. @throws `precondition` (GUEST_AGENT_SILENT). */
export function openAgentSocket(address: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(address);
    socket.once("error", () => reject(silent("its port is not there")));
    socket.once("connect", () => {
      socket.removeAllListeners("error");
      resolve(socket);
    });
  });
}

interface Line {
  readonly bytes: Buffer;
  /** A delimiter stood before it. */
  readonly isDelimited: boolean;
}

class LineReader {
  #parts: Buffer[] = [];
  #sizeBytes = 0;
  readonly #lines: Line[] = [];
  #isOver = false;
  #wake: () => void = () => undefined;

  constructor(private readonly socket: Socket) {
    socket.on("data", (bytes: Buffer) => this.#take(bytes));
    socket.on("error", () => socket.destroy());
    socket.once("close", () => {
      this.#isOver = true;
      this.#wake();
    });
  }

  /** @throws `precondition` (GUEST_AGENT_SILENT) when none comes in time. */
  async next(clock: Clock, timeoutMs: number): Promise<Line> {
    let isLate = false;
    const cancel = clock.schedule(timeoutMs, () => {
      isLate = true;
      this.#wake();
    });
    while (this.#lines.length === 0 && !isLate && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    cancel();
    const found = this.#lines.shift();
    if (found === undefined) throw silent(`it did not answer within ${timeoutMs} ms`);
    return found;
  }

  #take(bytes: Buffer): void {
    let rest = bytes;
    for (let end = rest.indexOf(NEW_LINE); end >= 0; end = rest.indexOf(NEW_LINE)) {
      this.#endLine(rest.subarray(0, end));
      rest = rest.subarray(end + 1);
    }
    this.#parts.push(rest);
    this.#sizeBytes += rest.length;
    if (this.#sizeBytes > LINE_BYTES_MAX || this.#lines.length > LINES_MAX) this.socket.destroy();
  }

  #endLine(last: Buffer): void {
    const whole = Buffer.concat([...this.#parts, last]);
    this.#parts = [];
    this.#sizeBytes = 0;
    const delimiter = whole.lastIndexOf(DELIMITER);
    this.#lines.push({ bytes: whole.subarray(delimiter + 1), isDelimited: delimiter >= 0 });
    this.#wake();
  }
}

/** Nobody asked for so many. */
const LINES_MAX = 64;

function line(message: object): Buffer {
  return Buffer.from(`${JSON.stringify(message)}\n`);
}

function parse(bytes: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const message: unknown = JSON.parse(bytes.toString());
    if (typeof message !== "object" || message === null) return undefined;
    return message as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}

function silent(why: string): DomainError {
  const message = `the guest's agent does not answer: ${why}; it may not have started yet`;
  return precondition("GUEST_AGENT_SILENT", message, { why });
}

const WHY_LENGTH_MAX = 500;

function refused(message: Readonly<Record<string, unknown>> | undefined): DomainError {
  const error = message?.["error"];
  const isTold = typeof error === "object" && error !== null && "desc" in error;
  const said = isTold ? String(error.desc) : "it answered nonsense";
  const why = said.slice(0, WHY_LENGTH_MAX).replaceAll(/\p{Cc}/gu, " ");
  return precondition("GUEST_AGENT_REFUSED", `the guest's agent refused: ${why}`, { why });
}
