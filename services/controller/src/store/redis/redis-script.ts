/** A script, called by its digest; the server may forget it at any time. */
import { createHash } from "node:crypto";
import type { RedisConnection } from "./redis-connection.js";

export class RedisScript {
  readonly #connection: RedisConnection;
  readonly #text: string;
  readonly #digest: string;

  constructor(connection: RedisConnection, text: string) {
    this.#connection = connection;
    this.#text = text;
    this.#digest = createHash("sha1").update(text).digest("hex");
  }

  /** One attempt. @throws what the library throws */
  send(args: readonly string[]): Promise<unknown> {
    return this.#connection.send("EVALSHA", [this.#digest, ...args]);
  }

  /** @throws what the library throws */
  async load(): Promise<void> {
    await this.#connection.send("SCRIPT", ["LOAD", this.#text]);
  }
}
