import { describe, expect, it } from "vitest";
import { AssertionError, assert, assertNever } from "./assert.js";
import {
  alreadyExists,
  conflict,
  DomainError,
  invalidField,
  notFound,
  precondition,
  toDomainError,
  unavailable,
} from "./errors.js";
import { quotaExceeded } from "./project.js";

describe("DomainError", () => {
  it("says what it is, and its storable form has neither stack nor cause", () => {
    const detail = { kind: "conflict", reason: "R", message: "m", metadata: { a: "1" } } as const;
    const error = new DomainError(detail, { cause: new Error("why") });
    expect(error).toMatchObject({ ...detail, name: "DomainError" });
    expect(error.detail).toEqual(detail);
    expect(JSON.parse(JSON.stringify(error.detail))).toEqual(detail);
  });

  it("passes a domain error through and hides anything else as internal, with the cause", () => {
    const error = notFound("guest", "g1");
    expect(toDomainError(error)).toBe(error);
    const bug = new TypeError("secret");
    const hidden = toDomainError(bug);
    expect(hidden).toMatchObject({ kind: "internal", reason: "INTERNAL", cause: bug });
    expect(hidden.message).not.toContain("secret");
    expect(toDomainError("a string").kind).toBe("internal");
  });
});

describe("factories", () => {
  it.each([
    [notFound("guest", "g1"), "not-found GUEST_NOT_FOUND", ["guest", "g1"]],
    [alreadyExists("image", "i1"), "already-exists IMAGE_EXISTS", ["image", "i1"]],
    [unavailable("blob store", "gone"), "unavailable BLOB_STORE_UNAVAILABLE", ["gone"]],
    [precondition("P", "text"), "precondition P", ["text"]],
    [conflict("C", "text"), "conflict C", ["text"]],
    [invalidField("f", -1, "0 to 9"), "invalid INVALID_FIELD", ["f", "-1", "0 to 9"]],
  ])("%s", (error, kindAndReason, parts) => {
    expect(`${error.kind} ${error.reason}`).toBe(kindAndReason);
    for (const part of parts) expect(error.message).toContain(part);
  });

  it("names all numbers of an exceeded quota, in message and metadata", () => {
    const numbers = { kind: "memoryMib", used: 900, requested: 300, limit: 1000 } as const;
    const error = quotaExceeded("acme", numbers);
    for (const part of ["acme", "memoryMib", "900", "300", "1000", "100 left"]) {
      expect(error.message).toContain(part);
    }
    expect(error).toMatchObject({
      kind: "capacity",
      reason: "QUOTA_EXCEEDED",
      metadata: { used: "900", requested: "300", limit: "1000" },
    });
  });

  it("shows no negative rest when a limit was lowered below use", () => {
    const error = quotaExceeded("acme", { kind: "guests", used: 9, requested: 1, limit: 5 });
    expect(error.message).toContain("0 left");
  });

  it("cuts long values and quotes odd ones", () => {
    const error = invalidField("name", "x".repeat(1000), "short names");
    expect(error.metadata["value"]?.length).toBe(64);
    expect(error.message.length).toBeLessThan(200);
    expect(invalidField("name", 'a"\n', "names").message).toContain('"a\\"\\n"');
    expect(notFound("guest", "x".repeat(1000)).metadata["id"]?.length).toBe(64);
  });
});

describe("assertions", () => {
  it("throws its sentence when the condition does not hold", () => {
    expect(() => assert(true, "fine")).not.toThrow();
    expect(() => assert(0, "zero is nothing")).toThrow(new AssertionError("zero is nothing"));
    expect(() => assertNever("odd" as never, "mode")).toThrow('unexpected mode: "odd"');
  });
});
