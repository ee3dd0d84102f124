/** Addresses of guests on a bridge: IPv4, chosen by the cluster from one range. */
import { DomainError, invalidField } from "./errors.js";

export interface Subnet {
  /** First address of the range, as a number. */
  readonly base: number;
  readonly prefixLength: number;
}

/** The network, the bridge itself, and the broadcast address are nobody's. */
const FIRST_HOST = 2;
const SUBNET = /^([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\/([0-9]{1,2})$/;

/** "10.77.0.0/16", prefix of 8 to 29. @throws `invalid`. */
export function parseSubnet(field: string, text: string): Subnet {
  const parts = (SUBNET.exec(text) ?? []).slice(1).map(Number);
  const [a = 256, b = 256, c = 256, d = 256, prefixLength = 0] = parts;
  const base = ((a * 256 + b) * 256 + c) * 256 + d;
  const isSound = [a, b, c, d].every((part) => part < 256) && prefixLength >= 8;
  if (!isSound || prefixLength > 29 || base % 2 ** (32 - prefixLength) !== 0) {
    throw invalidField(field, text, "the first address of a range and its prefix: 10.77.0.0/16");
  }
  return { base, prefixLength };
}

/**
 * An address of the range that is not taken, with its prefix; where it begins to look is random, so
 * that two who look at once rarely choose the same. @throws `capacity` when all are taken.
 */
export function freeAddress(
  { base, prefixLength }: Subnet,
  isTaken: (address: string) => boolean,
  random32: number,
): string {
  const count = 2 ** (32 - prefixLength) - FIRST_HOST - 1;
  for (let step = 0; step < count; step += 1) {
    const address = addressText(base + FIRST_HOST + ((random32 + step) % count), prefixLength);
    if (!isTaken(address)) return address;
  }
  throw exhausted(count);
}

function addressText(value: number, prefixLength: number): string {
  const parts = [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256);
  return `${parts.join(".")}/${prefixLength}`;
}

function exhausted(count: number): DomainError {
  const message = `all ${count} addresses of the bridge's range are taken`;
  const metadata = { count: String(count) };
  return new DomainError({ kind: "capacity", reason: "ADDRESSES_EXHAUSTED", message, metadata });
}
