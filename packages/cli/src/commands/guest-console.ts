/** `inn guest console`: the guest's serial console, as if one sat there. */
import { hostname, userInfo } from "node:os";
import { attachConsole } from "@innkeeper/client";
import type { AttachConsoleResponse } from "@innkeeper/proto/innkeeper/v1/guest_service";
import type { CliContext } from "../cli-context.js";
import { ESCAPE_NAME, typed } from "../console-keys.js";
import { parseCount, parseMs } from "../parse-options.js";
import { makeRaw } from "../raw-terminal.js";

export interface ConsoleOptions {
  readonly readOnly?: boolean;
  readonly force?: boolean;
  readonly history: string;
  readonly linger: string;
}

export async function attachToConsole(
  context: CliContext,
  name: string,
  options: ConsoleOptions,
): Promise<void> {
  const session = new ConsoleSession(context, parseMs("--linger", options.linger));
  const opening = {
    projectId: context.projectId,
    guestId: name,
    readOnly: options.readOnly === true,
    force: options.force === true,
    holder: whoIsHere(),
    historyBytes: parseCount("--history", options.history),
  };
  const restore = options.readOnly === true ? () => undefined : session.takeKeyboard();
  const { input, terminal, client } = context;
  if (input.isTTY) terminal.note(`attached to ${name}; ${ESCAPE_NAME} leaves`);
  try {
    const typing = options.readOnly === true ? session.silence() : session.typing();
    const parts = attachConsole(client, { opening, input: typing }, session.signal);
    for await (const response of parts) await session.show(response);
  } finally {
    restore();
    session.leave();
  }
  if (input.isTTY) terminal.note(`\nleft ${name}`);
}

class ConsoleSession {
  readonly #abort = new AbortController();
  #hasTerminal = true;
  #lingering: NodeJS.Timeout | undefined;

  constructor(
    private readonly context: CliContext,
    private readonly lingerMs: number,
  ) {
    const { signal } = context;
    signal.addEventListener("abort", () => this.leave(), { once: true });
    if (signal.aborted) this.leave();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  takeKeyboard(): () => void {
    return makeRaw(this.context.input, this.signal);
  }

  /** What is typed, until the escape key or the end of the input. */
  async *typing(): AsyncGenerator<Uint8Array> {
    const { input, terminal } = this.context;
    for await (const pressed of input as AsyncIterable<Buffer>) {
      const { bytes, echo, isLeaving } = typed(pressed, this.#hasTerminal || !input.isTTY);
      if (echo !== "") terminal.write(echo);
      if (bytes.length > 0) yield bytes;
      if (isLeaving && input.isTTY) return this.leave();
    }
    // A script has said all it had to say; the guest may still answer.
    this.#lingering = setTimeout(() => this.leave(), this.lingerMs);
  }

  async *silence(): AsyncGenerator<Uint8Array> {
    // Who only reads says nothing.
  }

  async show({ part }: AttachConsoleResponse): Promise<void> {
    const { terminal } = this.context;
    switch (part?.$case) {
      case "data":
        return await terminal.writeSlowly(part.value);
      case "skippedBytes":
        return terminal.note(`\ninn: ${part.value} bytes are missing here: you read too slowly`);
      case "granted":
        this.#hasTerminal = part.value.terminal;
        return;
      case undefined:
        return;
    }
  }

  /** Idempotent. */
  leave(): void {
    clearTimeout(this.#lingering);
    this.#abort.abort();
    this.context.input.destroy();
  }
}

const HOLDER_LENGTH_MAX = 128;

/** Shown to others who want to write. */
function whoIsHere(): string {
  const name = `${userInfo().username}@${hostname()}`;
  return name.replaceAll(/[^\x21-\x7e]/g, "?").slice(0, HOLDER_LENGTH_MAX);
}
