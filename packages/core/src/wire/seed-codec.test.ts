import { expect, it } from "vitest";
import { parseSeed, seedSummary, seedToProto } from "./seed-codec.js";

const NOTHING = Buffer.alloc(0);
const SEED = { userDataBase64: btoa("#!/bin/sh"), networkConfigBase64: btoa("version: 2") };

it("arrives as it was sent", () => {
  const proto = seedToProto(SEED);
  if (proto === undefined) throw new Error("it is not sent");
  expect(parseSeed("seed", proto)).toEqual(SEED);
  expect(seedToProto(undefined)).toBeUndefined();
});

it("is shown to nobody but by its size", () => {
  expect(seedSummary(SEED)).toEqual({ userData: NOTHING, networkConfig: NOTHING, userDataSize: 9 });
});

it.each([
  ["user_data", { userData: Buffer.alloc(16 * 1024 + 1), networkConfig: NOTHING }],
  ["network_config", { userData: NOTHING, networkConfig: Buffer.alloc(4 * 1024 + 1) }],
])("is refused when %s is too large", (field, proto) => {
  expect(() => parseSeed("seed", { ...proto, userDataSize: 0 })).toThrow(`seed.${field}: `);
});
