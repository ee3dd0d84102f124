import { describe, expect, it } from "vitest";
import { loadSettings } from "./config.js";

const TABLE = {
  name: {
    type: "text",
    env: "INN_NAME",
    default: "n1",
    pattern: /^[a-z0-9]+$/,
    allowed: "letters and digits",
    doc: "Name.",
  },
  path: { type: "text", env: "INN_PATH", default: "/tmp", allowed: "a path", doc: "Path." },
  ttlMs: { type: "integer", env: "INN_TTL_MS", default: 10, min: -5, max: 100, doc: "Time." },
  level: {
    type: "choice",
    env: "INN_LEVEL",
    default: "info",
    choices: ["info", "debug"],
    doc: "L.",
  },
} as const;

describe("loadSettings", () => {
  it("takes the defaults for what is unset or empty", () => {
    const expected = { name: "n1", path: "/tmp", ttlMs: 10, level: "info" };
    expect(loadSettings(TABLE, {})).toEqual(expected);
    expect(loadSettings(TABLE, { INN_NAME: "", INN_TTL_MS: undefined })).toEqual(expected);
  });

  it("takes what is given and ignores other variables", () => {
    const env = { INN_NAME: "x", INN_PATH: "a b", INN_TTL_MS: "-5", INN_LEVEL: "debug", HOME: "/" };
    expect(loadSettings(TABLE, env)).toEqual({ name: "x", path: "a b", ttlMs: -5, level: "debug" });
  });

  it("reports all problems at once: variable, value, what is allowed", () => {
    const env = { INN_NAME: "X!", INN_TTL_MS: "101", INN_LEVEL: "loud" };
    const failure = (): unknown => loadSettings(TABLE, env);
    expect(failure).toThrow(expect.objectContaining({ kind: "invalid", reason: "BAD_SETTINGS" }));
    const parts = [
      "3 bad settings",
      'INN_NAME="X!": allowed: letters and digits',
      'INN_TTL_MS="101": allowed: an integer from -5 to 100',
      'INN_LEVEL="loud": allowed: info, debug',
    ];
    for (const part of parts) expect(failure).toThrow(part);
  });

  it.each(["1.5", "1e2", "0x10", " 1", "1 ", "NaN", "Infinity", "--1", "", "9".repeat(17)])(
    "takes %j for no integer",
    (value) => {
      if (value === "") expect(loadSettings(TABLE, { INN_TTL_MS: value }).ttlMs).toBe(10);
      else expect(() => loadSettings(TABLE, { INN_TTL_MS: value })).toThrow("INN_TTL_MS");
    },
  );
});
