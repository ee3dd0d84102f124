import { describe, expect, it } from "vitest";
import {
  parseCount,
  parseCpu,
  parseMib,
  parseMs,
  parsePairs,
  parsePercent,
  parseSigned,
} from "./parse-options.js";

describe("amounts of memory", () => {
  it.each([
    ["512", 512],
    ["128MiB", 128],
    ["128 mib", 128],
    ["2G", 2048],
    ["1.5GiB", 1536],
    ["1TiB", 1_048_576],
    ["0", 0],
  ])("%s is %i MiB", (text, mib) => {
    expect(parseMib("--memory", text)).toBe(mib);
  });

  it.each(["", "x", "-1", "1.0001GiB", "1KB", "1 2", "MiB", "1e3", "9".repeat(13)])(
    "%j is refused, naming the option",
    (text) => {
      expect(() => parseMib("--memory", text)).toThrow(/^--memory: /);
    },
  );
});

describe("amounts of CPU", () => {
  it.each([
    ["1", 1000],
    ["0.5", 500],
    ["0.001", 1],
    ["1500m", 1500],
    ["0", 0],
  ])("%s is %i thousandths", (text, millis) => {
    expect(parseCpu("--cpu", text)).toBe(millis);
  });

  it.each(["", "1.0001", "0.5m", "-1", "1M", "one"])("%j is refused, naming the option", (text) => {
    expect(() => parseCpu("--cpu", text)).toThrow(/^--cpu: /);
  });
});

describe("durations", () => {
  it.each([
    ["250ms", 250],
    ["10s", 10_000],
    ["5m", 300_000],
    ["1h", 3_600_000],
  ])("%s is %i ms", (text, ms) => {
    expect(parseMs("--timeout", text)).toBe(ms);
  });

  it.each(["", "10", "1.5s", "1d", "s"])("%j is refused, naming the option", (text) => {
    expect(() => parseMs("--timeout", text)).toThrow(/^--timeout: /);
  });
});

describe("whole numbers of either sign", () => {
  it("are read, and nothing else is", () => {
    expect(parseSigned("--priority", "-5")).toBe(-5);
    for (const text of ["", "1.5", "+1", "x", "--1"]) {
      expect(() => parseSigned("--priority", text)).toThrow(/^--priority: /);
    }
  });
});

describe("percentages", () => {
  it.each([
    ["1%", 100],
    ["0.25 %", 25],
    ["100%", 10_000],
  ])("%s is %i hundredths of a percent", (text, basisPoints) => {
    expect(parsePercent("--min-gain", text)).toBe(basisPoints);
  });

  it.each(["", "1", "1.234%", "-1%", "%"])("%j is refused, naming the option", (text) => {
    expect(() => parsePercent("--min-gain", text)).toThrow(/^--min-gain: /);
  });
});

describe("pairs and counts", () => {
  it("take the first equals sign, and empty values", () => {
    expect(parsePairs("--label", ["a=b", "c=d=e", "f="])).toEqual({ a: "b", c: "d=e", f: "" });
    for (const bad of ["a", "=b", ""]) {
      expect(() => parsePairs("--label", [bad])).toThrow(/^--label: /);
    }
  });

  it("take whole numbers only", () => {
    expect(parseCount("--limit", "12")).toBe(12);
    for (const bad of ["", "-1", "1.5", "x"]) {
      expect(() => parseCount("--limit", bad)).toThrow(/^--limit: /);
    }
  });
});
