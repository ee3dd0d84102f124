/** What guests are told of themselves, on both wires. */
import type { GuestSeed as ProtoSeed } from "@innkeeper/proto/innkeeper/v1/guest";
import { invalidField } from "../domain/errors.js";
import {
  type GuestSeed,
  NETWORK_CONFIG_BYTES_MAX,
  seedBytes,
  USER_DATA_BYTES_MAX,
} from "../domain/seed.js";

/** @throws `invalid` when it is too large. */
export function parseSeed(field: string, proto: ProtoSeed): GuestSeed {
  const { userData, networkConfig } = proto;
  refuseLarge(`${field}.user_data`, userData, USER_DATA_BYTES_MAX);
  refuseLarge(`${field}.network_config`, networkConfig, NETWORK_CONFIG_BYTES_MAX);
  return {
    userDataBase64: base64Of(userData),
    networkConfigBase64: base64Of(networkConfig),
  };
}

/** Between controllers and agents: all of it. */
export function seedToProto(seed: GuestSeed | undefined): ProtoSeed | undefined {
  if (seed === undefined) return undefined;
  return {
    userData: Buffer.from(seed.userDataBase64, "base64"),
    networkConfig: Buffer.from(seed.networkConfigBase64, "base64"),
    userDataSize: seedBytes(seed),
  };
}

/** For everybody: it may hold secrets. */
export function seedSummary(seed: GuestSeed | undefined): ProtoSeed | undefined {
  if (seed === undefined) return undefined;
  const nothing = Buffer.alloc(0);
  return { userData: nothing, networkConfig: nothing, userDataSize: seedBytes(seed) };
}

function refuseLarge(field: string, { length }: Uint8Array, bytesMax: number): void {
  if (length > bytesMax) throw invalidField(field, `${length} bytes`, `at most ${bytesMax} bytes`);
}

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
}
