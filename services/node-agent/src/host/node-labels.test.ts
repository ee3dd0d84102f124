import { describe, expect, it } from "vitest";
import { parseNodeLabels } from "./node-labels.js";

describe("parseNodeLabels", () => {
  it("reads pairs, and keys alone as empty values", () => {
    expect(parseNodeLabels("zone=a,ssd,taint/gpu=x")).toEqual({
      zone: "a",
      ssd: "",
      "taint/gpu": "x",
    });
    expect(parseNodeLabels("")).toEqual({});
  });

  it("refuses what is no label, by the name of the setting", () => {
    expect(() => parseNodeLabels("zone=ü")).toThrow("INN_NODE_LABELS");
    expect(() => parseNodeLabels("-=a")).toThrow("INN_NODE_LABELS");
  });
});
