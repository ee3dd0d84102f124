/**
 * A connection to one QEMU process's monitor. Commands are answered in order; events reach one
 * listener. When the connection ends, what waits for an answer is rejected with kind
 * `precondition`, as is every later command.
 */
import { connect, type Socket } from "node:net";
import { type DomainError, precondition } from "@innkeeper/core";
import type { QmpCommandName, QmpCommands, QmpEvent, QmpMessage } from "./qmp-protocol.js";

/** A longer line is a bug of the other side, not a message. */
const LINE_LENGTH_MAX = 1024 * 1024;

interface Waiting {
  readonly command: string;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

type ArgsOf<Name extends QmpCommandName> = QmpCommands[Name]["args"] extends undefined
  ? []
  : [args: QmpCommands[Name]["args"]];

export class QmpClient {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  readonly #greeted: Promise<void>;
  #greet: () => void = () => undefined;
  #onEvent: (event: QmpEvent) => void = () => undefined;
  #rest = "";
  #idLast = 0;
  #isClosed = false;
  /** Resolves when the connection has ended, for whatever reason. */
  readonly closed: Promise<void>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#greeted = new Promise((resolve) => {
      this.#greet = resolve;
    });
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#end();
        resolve();
      });
    });
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => this.#take(text));
    socket.on("error", () => socket.destroy());
  }

  /** Connects once; undefined when nobody listens there. */
  static open(path: string): Promise<QmpClient | undefined> {
    return new Promise((resolve) => {
      const socket = connect(path);
      socket.once("error", () => resolve(undefined));
      socket.once("connect", () => {
        socket.removeAllListeners("error");
        resolve(new QmpClient(socket));
      });
    });
  }

  /** Waits for the greeting and leaves negotiation; afterwards commands are taken. */
  async negotiate(): Promise<void> {
    await Promise.race([this.#greeted, this.closed]);
    await this.execute("qmp_capabilities");
  }

  onEvent(listener: (event: QmpEvent) => void): void {
    this.#onEvent = listener;
  }

  /** @throws `precondition` when QEMU refuses the command or the connection has ended. */
  execute<Name extends QmpCommandName>(
    command: Name,
    ...[args]: ArgsOf<Name>
  ): Promise<QmpCommands[Name]["answer"]> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) {
        reject(monitorClosed(command));
        return;
      }
      this.#idLast += 1;
      const id = this.#idLast;
      const onAnswer = (answer: unknown): void => resolve(answer as QmpCommands[Name]["answer"]);
      this.#waiting.set(id, { command, resolve: onAnswer, reject });
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    });
  }

  /** Lets go of the monitor; the QEMU process goes on. */
  close(): void {
    this.#socket.destroy();
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") this.#dispatch(line);
    if (this.#rest.length > LINE_LENGTH_MAX) this.#socket.destroy();
  }

  #dispatch(line: string): void {
    const message = parseMessage(line);
    if (message === undefined) this.#socket.destroy();
    else if (message.QMP !== undefined) this.#greet();
    else if (message.event !== undefined) this.#onEvent(message as QmpEvent);
    else if (message.id !== undefined) this.#answer(message.id, message);
  }

  #answer(id: number, { error, ...message }: QmpMessage): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(message.return);
    else waiting?.reject(commandRefused(waiting.command, error.desc));
  }

  #end(): void {
    this.#isClosed = true;
    for (const { command, reject } of this.#waiting.values()) reject(monitorClosed(command));
    this.#waiting.clear();
  }
}

/** Undefined for what is no message: this side of the connection ends then. */
function parseMessage(line: string): QmpMessage | undefined {
  try {
    const message: unknown = JSON.parse(line);
    return typeof message === "object" && message !== null ? message : undefined;
  } catch {
    return undefined;
  }
}

function monitorClosed(command: string): DomainError {
  return precondition("COPY_ENDED", `${command}: the hypervisor process has ended`, { command });
}

function commandRefused(command: string, why: string): DomainError {
  const message = `the hypervisor refused ${command}: ${why}`;
  return precondition("ENGINE_REFUSED", message, { command, why });
}
