/** The serial port of a copy, as someone at its keyboard has it. */
import { connect, type Socket } from "node:net";
import { vi } from "vitest";

/** An emulated machine takes its time to boot a whole distribution. */
const BOOT = { timeout: 110_000, interval: 50 };
const PROMPTED = { timeout: 110_000, interval: 1_000 };
const PROMPT = /(login: |# )$/;

export class SerialConsole {
  #seen = "";

  private constructor(private readonly socket: Socket) {
    socket.on("data", (bytes) => {
      this.#seen += bytes.toString("latin1");
    });
    socket.on("error", () => undefined);
  }

  static open(file: string): Promise<SerialConsole> {
    return new Promise((resolve, reject) => {
      const socket = connect(file, () => resolve(new SerialConsole(socket)));
      socket.once("error", reject);
    });
  }

  async until(text: string): Promise<void> {
    await vi.waitFor(() => {
      if (!this.#seen.includes(text)) throw new Error(`no ${text} in: ${this.#seen.slice(-500)}`);
    }, BOOT);
  }

  /**
   * Waits for a prompt and answers the one that asks for a name. A prompt may have come before we
   * did: an empty line now and then asks for it anew.
   */
  async logIn(): Promise<void> {
    await vi.waitFor(() => {
      if (PROMPT.test(this.#seen)) return;
      this.socket.write("\r");
      throw new Error(`no prompt in: ${this.#seen.slice(-500)}`);
    }, PROMPTED);
    if (this.#seen.endsWith("login: ")) this.socket.write("root\r");
    await this.until("# ");
  }

  /** What the command prints. The marks are split, so that their echo is not taken for them. */
  async run(command: string): Promise<string> {
    this.#seen = "";
    this.socket.write(`echo BEG''IN; ${command}; echo E''ND\r`);
    await this.until("END\r\n");
    const [, printed = ""] = /BEGIN\r\n([\s\S]*?)END\r\n/.exec(this.#seen) ?? [];
    return printed.replaceAll("\r", "").trim();
  }

  /** Types and does not wait. */
  type(command: string): void {
    this.socket.write(`${command}\r`);
  }

  close(): void {
    this.socket.destroy();
  }
}
