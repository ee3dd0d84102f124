import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { describeSettings, loadSettings, readSettingsFile } from "./config.js";

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

  it("looks in the file for what the environment does not say", () => {
    const file = { name: "fromfile", ttlMs: 50, level: "debug" };
    expect(loadSettings(TABLE, { INN_NAME: "fromenv" }, file)).toEqual({
      name: "fromenv",
      path: "/tmp",
      ttlMs: 50,
      level: "debug",
    });
  });

  it("refuses keys of the file that are no settings, and bad values, all at once", () => {
    const failure = (): unknown => loadSettings(TABLE, {}, { nmae: "x", ttlMs: 1e6, level: ["x"] });
    expect(failure).toThrow("3 bad settings");
    expect(failure).toThrow("nmae: no such setting; allowed: name, path, ttlMs, level");
    expect(failure).toThrow('ttlMs="1000000"');
  });
});

describe("secrets and files", () => {
  const directory = mkdtempSync(path.join(tmpdir(), "innkeeper-config-"));
  afterAll(() => {
    rmSync(directory, { recursive: true });
  });
  const write = (name: string, content: string): string => {
    const file = path.join(directory, name);
    writeFileSync(file, content);
    return file;
  };
  const SECRET = { password: { type: "secret", env: "P_FILE", default: "", doc: "P." } } as const;

  it("reads a secret from the file that is named", () => {
    const file = write("password", "s3cret\n");
    expect(loadSettings(SECRET, { P_FILE: file })).toEqual({ password: "s3cret" });
    expect(loadSettings(SECRET, {})).toEqual({ password: "" });
    expect(() => loadSettings(SECRET, { P_FILE: `${file}.not` })).toThrow("P_FILE=");
  });

  it("reads settings from YAML and says what is wrong with a file", () => {
    expect(readSettingsFile(write("good.yaml", "name: x\nttlMs: 5 # five\n"))).toEqual({
      name: "x",
      ttlMs: 5,
    });
    expect(readSettingsFile(write("empty.yaml", "# nothing\n"))).toEqual({});
    expect(() => readSettingsFile(write("list.yaml", "- a\n"))).toThrow("INN_CONFIG");
    expect(() => readSettingsFile(write("bad.yaml", "a: [1\n"))).toThrow("INN_CONFIG");
    expect(() => readSettingsFile(path.join(directory, "absent.yaml"))).toThrow("ENOENT");
  });

  it("describes every setting of a table", () => {
    const text = describeSettings(TABLE);
    for (const { env, doc } of Object.values(TABLE)) {
      expect(text).toContain(env);
      expect(text).toContain(doc);
    }
  });
});
