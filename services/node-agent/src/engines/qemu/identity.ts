/**
 * Who a guest is that begins from a template, as bytes that the firmware hands to it. The layout is
 * that of `images/linux/take-identity.S`.
 */
import { randomBytes } from "node:crypto";
import type { CopyLaunch } from "@innkeeper/core";

/** Name inside the copy's directory. */
export const IDENTITY_FILE = "identity";
export const IDENTITY_BYTES = 200;
const MAGIC = "INNID 1\n";
const ENTROPY_BYTES = 64;
const HOST_NAME_BYTES = 64;

export interface GuestIdentity {
  readonly guestUid: string;
  readonly hostName: string;
  /** As `52:54:00:...`. */
  readonly macAddress: string;
  /** The file of the firmware with its user data is there too. */
  readonly hasSeed: boolean;
  readonly nowMs: number;
}

export function identityBytes(identity: GuestIdentity): Uint8Array {
  const { guestUid, hostName, macAddress, hasSeed, nowMs } = identity;
  const bytes = Buffer.alloc(IDENTITY_BYTES);
  bytes.write(MAGIC, 0, "latin1");
  randomBytes(ENTROPY_BYTES).copy(bytes, 8);
  bytes.writeBigUInt64LE(BigInt(Math.floor(nowMs / 1000)), 72);
  bytes.writeBigUInt64LE(BigInt(Math.floor(nowMs % 1000) * 1_000_000), 80);
  Buffer.from(macAddress.replaceAll(":", ""), "hex").copy(bytes, 88, 0, 6);
  bytes.writeUInt8(hasSeed ? 1 : 0, 94);
  bytes.write(hostName.slice(0, HOST_NAME_BYTES - 1), 96, "latin1");
  bytes.write(guestUid, 160, "latin1");
  return bytes;
}

export function identityOf(
  { guestUid, seed }: CopyLaunch,
  { hostName, macAddress, nowMs }: Omit<GuestIdentity, "guestUid" | "hasSeed">,
): GuestIdentity {
  return { guestUid, hostName, macAddress, hasSeed: seed !== undefined, nowMs };
}
