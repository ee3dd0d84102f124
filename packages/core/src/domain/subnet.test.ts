import { expect, it } from "vitest";
import { forEachSeed } from "../testing/prng.js";
import { freeAddress, parseSubnet } from "./subnet.js";

it.each(["", "10.77.0.0", "10.77.0.1/16", "10.77.0.0/30", "10.0.0.0/7", "256.0.0.0/8", "x/16"])(
  "is no range: %j",
  (text) => {
    expect(() => parseSubnet("s", text)).toThrow(/^s: /);
  },
);

it("never gives the address of the network, of the bridge, or of all", () => {
  const subnet = parseSubnet("s", "10.77.0.248/29");
  const given: string[] = [];
  for (let count = 0; count < 5; count += 1) {
    given.push(freeAddress(subnet, (address) => given.includes(address), 3));
  }
  const expected = [250, 251, 252, 253, 254].map((last) => `10.77.0.${last}/29`);
  expect(given.toSorted()).toEqual(expected);
  expect(() => freeAddress(subnet, (address) => given.includes(address), 3)).toThrow(
    "all 5 addresses",
  );
});

it("never gives one that is taken, wherever it begins", () => {
  forEachSeed(50, (prng) => {
    const subnet = parseSubnet("s", prng.pick(["10.0.0.0/8", "192.168.4.0/24", "255.255.0.0/16"]));
    const taken = new Set<string>();
    for (let count = 0; count < 50; count += 1) {
      const address = freeAddress(subnet, (each) => taken.has(each), prng.next32());
      expect(taken.has(address)).toBe(false);
      taken.add(address);
    }
  });
});
