/** What Redis can do at most for one caller: a script that does nothing. For benchmarks. */
import { Redis } from "ioredis";

export class EmptyScript {
  readonly #redis: Redis;
  readonly #digest: string;

  private constructor(redis: Redis, digest: string) {
    this.#redis = redis;
    this.#digest = digest;
  }

  static async open(port: number): Promise<EmptyScript> {
    const redis = new Redis(port, "127.0.0.1", { protocol: 2 });
    return new EmptyScript(redis, String(await redis.script("LOAD", "return 1")));
  }

  async run(): Promise<void> {
    await this.#redis.evalsha(this.#digest, 0);
  }

  close(): void {
    this.#redis.disconnect();
  }
}
