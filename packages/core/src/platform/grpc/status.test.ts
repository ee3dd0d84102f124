import { Metadata, status } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { DomainError, ERROR_KINDS, type ErrorKind } from "../../domain/errors.js";
import { fromServiceError, toServiceError } from "./status.js";

const CODES: Readonly<Record<ErrorKind, string>> = {
  invalid: "INVALID_ARGUMENT",
  unauthenticated: "UNAUTHENTICATED",
  forbidden: "PERMISSION_DENIED",
  "not-found": "NOT_FOUND",
  "already-exists": "ALREADY_EXISTS",
  precondition: "FAILED_PRECONDITION",
  conflict: "ABORTED",
  capacity: "RESOURCE_EXHAUSTED",
  unavailable: "UNAVAILABLE",
  timeout: "DEADLINE_EXCEEDED",
  cancelled: "CANCELLED",
  corrupt: "DATA_LOSS",
  internal: "INTERNAL",
};

describe("the status table", () => {
  it.each(ERROR_KINDS)("sends %s as its code and gets the same error back", (kind) => {
    const error = anError({ kind });
    const sent = toServiceError(error);
    expect(status[sent.code ?? -1]).toBe(CODES[kind]);
    expect(received(sent).detail).toEqual(error.detail);
  });

  it("has a code of its own for each kind, and never UNKNOWN", () => {
    const codes = ERROR_KINDS.map((kind) => toServiceError(anError({ kind })).code);
    expect(new Set(codes).size).toBe(ERROR_KINDS.length);
    expect(codes).not.toContain(status.UNKNOWN);
    expect(codes).not.toContain(status.OK);
  });

  it("gives every code that a peer may send a kind", () => {
    for (const code of Object.values(status).filter((each) => typeof each === "number")) {
      if (code === status.OK) continue;
      const error = fromServiceError(peerError(code));
      expect(ERROR_KINDS).toContain(error.kind);
      expect(error.reason).toBe(status[code]);
    }
  });
});

describe("what travels", () => {
  it("shows nothing of a bug but that there is one", () => {
    const sent = toServiceError(new Error("password=secret"));
    expect(JSON.stringify([sent.message, sent.details, sent.metadata?.toJSON()])).not.toContain(
      "secret",
    );
    expect(received(sent)).toMatchObject({ kind: "internal", reason: "INTERNAL" });
  });

  it("keeps odd characters of reason, message and metadata", () => {
    const error = anError({ message: 'ä "quoted"\n😀', metadata: { path: "/ä\n", empty: "" } });
    expect(received(toServiceError(error)).detail).toEqual(error.detail);
  });

  it("cuts what no peer would take as headers", () => {
    const error = anError({ message: "x".repeat(100_000), metadata: { all: "y".repeat(100_000) } });
    const back = received(toServiceError(error));
    expect(back.message).toHaveLength(2000);
    expect(back.metadata["all"]).toHaveLength(2000);
  });

  it("passes on a domain error, and hides what is no gRPC error", () => {
    const error = anError({});
    expect(fromServiceError(error)).toBe(error);
    expect(fromServiceError(new TypeError("bug"))).toMatchObject({ kind: "internal" });
  });

  it("takes details that are no details as none", () => {
    const metadata = new Metadata();
    metadata.set("grpc-status-details-bin", Buffer.from("no protobuf at all"));
    const error = fromServiceError(Object.assign(peerError(status.NOT_FOUND), { metadata }));
    expect(error.kind).toBe("not-found");
  });
});

function anError(detail: Partial<DomainError["detail"]>): DomainError {
  const base = {
    kind: "conflict",
    reason: "GUEST_BUSY",
    message: "busy",
    metadata: { guest: "g1" },
  };
  return new DomainError({ ...base, kind: "conflict", ...detail });
}

/** What the other side makes of it: grpc-js puts the parts into an error of its own. */
function received(sent: ReturnType<typeof toServiceError>): DomainError {
  return fromServiceError(Object.assign(new Error(sent.message), sent));
}

function peerError(code: status): Error {
  const details = "peer says so";
  return Object.assign(new Error(`${code}: ${details}`), {
    code,
    details,
    metadata: new Metadata(),
  });
}
