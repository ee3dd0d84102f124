import { describe, expect, it } from "vitest";
import { isSameLimits, limitsNetwork, limitTexts, NO_LIMITS, unkeptLimit } from "./limits.js";

const NET = { netInBytesPerSecondMax: 5, netOutBytesPerSecondMax: 7 };

describe("limits of a guest", () => {
  it("that a record of old lacks are none", () => {
    const old = { diskIopsMax: 0, diskBytesPerSecondMax: 0, pidsMax: 0 };
    expect(isSameLimits(old, NO_LIMITS)).toBe(true);
    expect(isSameLimits(old, undefined)).toBe(true);
    expect(isSameLimits(old, { ...NO_LIMITS, netInBytesPerSecondMax: 1 })).toBe(false);
    expect([limitsNetwork(old), limitsNetwork({ netOutBytesPerSecondMax: 1 })]).toEqual([
      false,
      true,
    ]);
  });

  it("are told with their units", () => {
    expect(limitTexts({ pidsMax: 3, ...NET })).toEqual([
      "3 processes",
      "network in 5 bytes/s",
      "network out 7 bytes/s",
    ]);
  });

  it.each([
    ["linux", false, { netInBytesPerSecondMax: 1 }, "netInBytesPerSecondMax"],
    ["linux", true, NET, undefined],
    ["disk", true, { ...NET, pidsMax: 1 }, "pidsMax"],
    ["rootfs", false, { pidsMax: 1 }, undefined],
    ["rootfs", true, { pidsMax: 1, diskIopsMax: 1 }, "diskIopsMax"],
  ] as const)("of a %s image (bridge: %s) %j: refused is %s", (...row) => {
    const [kind, isBridged, limits, refused] = row;
    const unkept = unkeptLimit({ kind, isBridged }, limits);
    expect(unkept?.limit).toBe(refused);
    expect(unkept === undefined || unkept.why.length > 0).toBe(true);
  });
});
