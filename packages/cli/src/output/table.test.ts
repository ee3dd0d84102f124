import { describe, expect, it } from "vitest";
import { age, details, enumName, table } from "./table.js";

describe("table", () => {
  it("aligns columns to their widest cell and ends no line with spaces", () => {
    const rows = [
      ["web", "RUNNING", ""],
      ["a-long-name", "OK", "why"],
    ];
    expect(table(["NAME", "PHASE", "REASON"], rows).split("\n")).toEqual([
      "NAME         PHASE    REASON",
      "web          RUNNING",
      "a-long-name  OK       why",
    ]);
  });

  it("shows the header alone when there is nothing", () => {
    expect(table(["NAME", "AGE"], [])).toBe("NAME  AGE");
  });
});

describe("details", () => {
  it("aligns values and leaves out what is empty", () => {
    const pairs = [
      ["name", "g1"],
      ["command line", ""],
      ["node", "n1"],
    ] as const;
    expect(details(pairs).split("\n")).toEqual(["name          g1", "node          n1"]);
  });
});

describe("age", () => {
  const nowMs = 1_000_000_000_000;
  it.each([
    [0, "0s"],
    [119_000, "119s"],
    [120_000, "2m"],
    [7_199_000, "120m"],
    [7_200_000, "2h"],
    [172_799_000, "48h"],
    [172_800_000, "2d"],
    [-5000, "0s"],
  ])("%i ms ago is %s", (agoMs, shown) => {
    expect(age(new Date(nowMs - agoMs), nowMs)).toBe(shown);
  });

  it("is empty when unknown", () => {
    expect(age(undefined, nowMs)).toBe("");
  });
});

it("cuts the prefix of proto enums and of nothing else", () => {
  expect(enumName("GUEST_PHASE_RUNNING", "GUEST_PHASE_")).toBe("RUNNING");
  expect(enumName("RUNNING", "GUEST_PHASE_")).toBe("RUNNING");
});
