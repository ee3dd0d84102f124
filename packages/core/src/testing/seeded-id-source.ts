/** Identity and randomness decided by a seed. */
import type { IdSource } from "../ports/id-source.js";
import { Prng } from "./prng.js";

export class SeededIdSource implements IdSource {
  readonly #prng: Prng;

  /** @param source a seed, or the generator to draw from */
  constructor(source: number | Prng) {
    this.#prng = typeof source === "number" ? new Prng(source) : source;
  }

  uuid(): string {
    const hex = (): string => this.#prng.next32().toString(16).padStart(8, "0");
    const [a, b, c, d] = [hex(), hex(), hex(), hex()] as const;
    const variant = (8 + (Number.parseInt(c.slice(0, 1), 16) % 4)).toString(16);
    return [
      a,
      b.slice(0, 4),
      `4${b.slice(5)}`,
      `${variant}${c.slice(1, 4)}`,
      `${c.slice(4)}${d}`,
    ].join("-");
  }

  random32(): number {
    return this.#prng.next32();
  }
}
