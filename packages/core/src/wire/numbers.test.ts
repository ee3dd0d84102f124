import { describe, expect, it } from "vitest";
import { cleanText, parseSha256 } from "./numbers.js";

describe("a text from outside", () => {
  it("loses what a terminal or a log would act on, and what is too long", () => {
    expect(cleanText("ä\n\u001b[31mred\u0000", 100)).toBe("ä  [31mred ");
    expect(cleanText("abcdef", 3)).toBe("abc");
  });
});

describe("a sha256", () => {
  it("is 64 lower-case hexadecimal digits and nothing else", () => {
    expect(parseSha256("blob", "0a".repeat(32))).toBe("0a".repeat(32));
    for (const bad of ["", "0A".repeat(32), "0a".repeat(31), `${"0a".repeat(32)}\n`]) {
      expect(() => parseSha256("blob", bad)).toThrow("blob");
    }
  });
});
