import { ERROR_KINDS, type ErrorKind } from "@innkeeper/core";
import { expect, it } from "vitest";
import { EXIT, exitCodeOf } from "./exit-codes.js";

const PROMISED: Readonly<Record<ErrorKind, number>> = {
  invalid: 2,
  unauthenticated: 1,
  forbidden: 1,
  "not-found": 3,
  "already-exists": 1,
  precondition: 1,
  conflict: 1,
  capacity: 4,
  unavailable: 5,
  timeout: 5,
  cancelled: 1,
  corrupt: 1,
  internal: 1,
};

it.each(ERROR_KINDS)("ends with the promised code for %s, which scripts rely on", (kind) => {
  expect(exitCodeOf(kind)).toBe(PROMISED[kind]);
});

it("never calls a failure done", () => {
  for (const kind of ERROR_KINDS) expect(exitCodeOf(kind)).not.toBe(EXIT.done);
});
