/** Models of devices as bits, so that "one of these" is one operation. */
import { assert } from "../../domain/assert.js";

const MODELS_MAX = 30;
const ANY = -1;

export class DeviceModels {
  readonly #bits = new Map<string, number>();

  /** @param models empty = any */
  bitsOf(models: readonly string[]): number {
    if (models.length === 0) return ANY;
    return models.reduce((bits, model) => bits | this.#bit(model), 0);
  }

  #bit(model: string): number {
    const known = this.#bits.get(model);
    if (known !== undefined) return known;
    assert(this.#bits.size < MODELS_MAX, "a cluster has at most 30 models of devices");
    const bit = 1 << this.#bits.size;
    this.#bits.set(model, bit);
    return bit;
  }
}
