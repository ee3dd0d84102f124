import { describe, expect, it } from "vitest";
import { isName, isUuid, LABELS_MAX, parseLabels, parseName, parseUuid } from "./names.js";
import { guestKey, kindOf, recordKey } from "./record-keys.js";

describe("names", () => {
  it.each(["a", "0", "a-b", "a--b", "x".repeat(63), "9lives"])("takes %j", (name) => {
    expect(isName(name)).toBe(true);
    expect(parseName("id", name)).toBe(name);
  });

  it.each([
    "",
    "-",
    "-a",
    "a-",
    "A",
    "a_b",
    "a.b",
    "a/b",
    "a b",
    "ä",
    "a\n",
    "../a",
    "x".repeat(64),
    "a\u0000",
  ])("refuses %j, naming the field", (name) => {
    expect(isName(name)).toBe(false);
    expect(() => parseName("guest.id", name)).toThrow(/^guest\.id: /);
  });

  it("takes every name of up to three characters that RFC 1123 takes, and no other", () => {
    const characters = ["a", "z", "0", "9", "-", "A", "_", "/"];
    const isOracle = (name: string): boolean =>
      name.length > 0 &&
      [...name].every((each) => "az09-".includes(each)) &&
      !name.startsWith("-") &&
      !name.endsWith("-");
    let names = [""];
    for (let length = 0; length < 4; length += 1) {
      for (const name of names) expect(isName(name), name).toBe(isOracle(name));
      names = names.flatMap((name) => characters.map((each) => name + each));
    }
  });
});

describe("UUIDs", () => {
  it("takes lower-case ones only", () => {
    const uuid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
    expect(parseUuid("id", uuid)).toBe(uuid);
    const others = [uuid.toUpperCase(), `${uuid}0`, uuid.replace("-", ""), "", ` ${uuid}`];
    for (const other of others) {
      expect(isUuid(other)).toBe(false);
      expect(() => parseUuid("request_id", other)).toThrow(/^request_id: /);
    }
  });
});

describe("labels", () => {
  it("takes keys with and without prefix, and empty values", () => {
    const labels = { app: "web", "innkeeper.dev/Tier_1": "a.b-c", flag: "" };
    expect(parseLabels("labels", labels)).toEqual(labels);
  });

  it.each([
    ["a key with a space", { "a b": "x" }, "labels key"],
    ["an empty key", { "": "x" }, "labels key"],
    ["a key with two prefixes", { "a/b/c": "x" }, "labels key"],
    ["a value of 64 characters", { a: "x".repeat(64) }, "labels[a]"],
    ["a value with a slash", { a: "x/y" }, "labels[a]"],
  ])("refuses %s and says where", (_, labels, where) => {
    expect(() => parseLabels("labels", labels)).toThrow(
      expect.objectContaining({ kind: "invalid", message: expect.stringContaining(where) }),
    );
  });

  it("refuses more than the limit", () => {
    const labels = (count: number): Record<string, string> =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, ""]));
    expect(Object.keys(parseLabels("labels", labels(LABELS_MAX)))).toHaveLength(LABELS_MAX);
    expect(() => parseLabels("labels", labels(LABELS_MAX + 1))).toThrow("at most 64");
  });
});

describe("record keys", () => {
  it("tells the kind of each key", () => {
    expect(kindOf(guestKey({ projectId: "p", id: "g" }))).toBe("guest");
    for (const kind of ["project", "node", "image", "operation"] as const) {
      expect(kindOf(recordKey(kind, "x"))).toBe(kind);
    }
  });
});
