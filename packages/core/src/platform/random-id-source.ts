/** Identity and randomness from the operating system. */
import { randomInt, randomUUID } from "node:crypto";
import type { IdSource } from "../ports/id-source.js";

export const randomIdSource: IdSource = {
  uuid: () => randomUUID(),
  random32: () => randomInt(2 ** 32),
};
