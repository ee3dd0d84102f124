import { describe, expect, it } from "vitest";
import { IDENTITY_BYTES, identityBytes } from "./identity.js";

const UID = "0881338a-9452-4e84-907e-37c93f783c64";
const WHO = { guestUid: UID, hostName: "web-1", macAddress: "52:54:0a:0b:0c:0d", hasSeed: false };

function bytesOf(more: Partial<Parameters<typeof identityBytes>[0]> = {}): Buffer {
  return Buffer.from(identityBytes({ ...WHO, nowMs: 1_795_578_888_250, ...more }));
}

describe("the identity of a guest that begins from a template", () => {
  it("has the layout that the program in the guest reads", () => {
    const bytes = bytesOf();
    expect(bytes.length).toBe(IDENTITY_BYTES);
    expect(bytes.toString("latin1", 0, 8)).toBe("INNID 1\n");
    expect(bytes.readBigUInt64LE(72)).toBe(1_795_578_888n);
    expect(bytes.readBigUInt64LE(80)).toBe(250_000_000n);
    expect(bytes.toString("hex", 88, 95)).toBe("52540a0b0c0d00");
    expect(bytesOf({ hasSeed: true })[94]).toBe(1);
    expect(bytes.toString("latin1", 96, 104)).toBe("web-1\0\0\0");
    expect(bytes.toString("latin1", 160, 200)).toBe(`${UID}\0\0\0\0`);
  });

  it("brings other entropy each time", () => {
    const entropy = Array.from({ length: 8 }, () => bytesOf().toString("hex", 8, 72));
    expect(new Set(entropy).size).toBe(8);
  });

  it("ends every host name within its field", () => {
    const bytes = bytesOf({ hostName: "x".repeat(100) });
    expect(bytes.toString("latin1", 96, 160)).toBe(`${"x".repeat(63)}\0`);
    expect(bytes.toString("latin1", 160, 196)).toBe(UID);
  });
});
