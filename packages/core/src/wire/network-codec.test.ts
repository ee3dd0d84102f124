import { Protocol } from "@innkeeper/proto/innkeeper/v1/guest";
import { describe, expect, it } from "vitest";
import {
  forwardsToProto,
  parseForwards,
  parseIpAddress,
  parseMacAddress,
} from "./network-codec.js";

const ONE = { protocol: Protocol.TCP, hostPort: 2222, guestPort: 22 };

describe("forwards", () => {
  it("arrive as they were sent", () => {
    const forwards = [
      { protocol: "tcp", hostPort: 2222, guestPort: 22 },
      { protocol: "udp", hostPort: 2222, guestPort: 53 },
    ] as const;
    expect(parseForwards("f", forwardsToProto(forwards), 1)).toEqual(forwards);
    expect(forwardsToProto(undefined)).toEqual([]);
  });

  it("are TCP when nothing is said, and may leave the port of the node open where allowed", () => {
    const proto = [{ protocol: Protocol.UNSPECIFIED, hostPort: 0, guestPort: 22 }] as never;
    expect(parseForwards("f", proto, 0)).toEqual([{ protocol: "tcp", hostPort: 0, guestPort: 22 }]);
    expect(() => parseForwards("f", proto, 1)).toThrow("f[0].host_port");
  });

  it.each([
    ["a port beyond the last", [{ ...ONE, hostPort: 65_536 }], "f[0].host_port"],
    ["no port of the guest", [{ ...ONE, guestPort: 0 }], "f[0].guest_port"],
    ["an unknown protocol", [{ ...ONE, protocol: 9 as never }], "f[0].protocol"],
    ["a port twice", [ONE, { ...ONE, guestPort: 23 }], "f: "],
    ["too many", new Array(17).fill(ONE), "f: 17"],
  ])("are refused with %s", (_, protos, said) => {
    expect(() => parseForwards("f", protos as never, 1)).toThrow(said);
  });
});

describe("addresses", () => {
  it.each(["", "52:54:00:12:ab:ff"])("of a card: %s", (value) => {
    expect(parseMacAddress("m", value)).toBe(value);
  });

  it.each(["52:54:00:12:ab", "52:54:00:12:AB:FF", "x", "52:54:00:12:ab:ff,x"])(
    "of a card that are none: %s",
    (value) => {
      expect(() => parseMacAddress("m", value)).toThrow(/^m: /);
    },
  );

  it("of a host", () => {
    for (const value of ["", "127.0.0.1", "fd00::1"])
      expect(parseIpAddress("i", value)).toBe(value);
    for (const value of ["host", "1.2.3", "1.2.3.4,x"]) {
      expect(() => parseIpAddress("i", value)).toThrow(/^i: /);
    }
  });
});
