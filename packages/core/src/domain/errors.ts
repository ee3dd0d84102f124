/**
 * The one error class of the project. `kind` decides the gRPC status code and whether a retry
 * helps, `reason` is a stable UPPER_SNAKE string that clients may branch on, `metadata` holds every
 * variable of the message. Anything thrown that is not a `DomainError` is a bug.
 */
export const ERROR_KINDS = [
  "invalid",
  "unauthenticated",
  "forbidden",
  "not-found",
  "already-exists",
  "precondition",
  "conflict",
  "capacity",
  "unavailable",
  "timeout",
  "cancelled",
  "corrupt",
  "internal",
] as const;

export type ErrorKind = (typeof ERROR_KINDS)[number];

/**
 * What a {@link DomainError} is made of; also the form in which errors are stored in operations.
 */
export interface ErrorDetail {
  readonly kind: ErrorKind;
  readonly reason: string;
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export class DomainError extends Error implements ErrorDetail {
  override readonly name = "DomainError";
  readonly kind: ErrorKind;
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(detail: ErrorDetail, options?: ErrorOptions) {
    super(detail.message, options);
    this.kind = detail.kind;
    this.reason = detail.reason;
    this.metadata = detail.metadata;
  }

  /** The storable form, without stack or cause. */
  get detail(): ErrorDetail {
    return {
      kind: this.kind,
      reason: this.reason,
      message: this.message,
      metadata: this.metadata,
    };
  }
}

/**
 * A field of a request is malformed whatever the state; names field, value (cut to 64 characters)
 * and what is allowed.
 */
export function invalidField(field: string, value: unknown, allowed: string): DomainError {
  const shown = showValue(value);
  return new DomainError({
    kind: "invalid",
    reason: "INVALID_FIELD",
    message: `${field}: ${shown} is not allowed; allowed: ${allowed}`,
    metadata: { field, value: shown, allowed },
  });
}

/** No record of this type has this id. */
export function notFound(type: string, id: string): DomainError {
  return new DomainError({
    kind: "not-found",
    reason: `${upperSnake(type)}_NOT_FOUND`,
    message: `no ${type} ${showValue(id)}`,
    metadata: { type, id: cut(id) },
  });
}

/** The id is taken by a living record of this type. */
export function alreadyExists(type: string, id: string): DomainError {
  return new DomainError({
    kind: "already-exists",
    reason: `${upperSnake(type)}_EXISTS`,
    message: `${type} ${showValue(id)} exists already`,
    metadata: { type, id },
  });
}

/** Nothing was done because a part of the system cannot be reached; a retry may succeed. */
export function unavailable(what: string, why: string, cause?: unknown): DomainError {
  return new DomainError(
    {
      kind: "unavailable",
      reason: `${upperSnake(what)}_UNAVAILABLE`,
      message: `${what} is unavailable: ${why}`,
      metadata: { what, why },
    },
    { cause },
  );
}

/** The caller must change something before this can work. */
export function precondition(
  reason: string,
  message: string,
  metadata: Record<string, string> = {},
): DomainError {
  return new DomainError({ kind: "precondition", reason, message, metadata });
}

/** Somebody else changed or holds it; re-read, then try again. */
export function conflict(
  reason: string,
  message: string,
  metadata: Record<string, string> = {},
): DomainError {
  return new DomainError({ kind: "conflict", reason, message, metadata });
}

/**
 * Turns anything thrown into a `DomainError`; unknown things become `internal` with the original as
 * cause.
 */
export function toDomainError(thrown: unknown): DomainError {
  if (thrown instanceof DomainError) return thrown;
  return new DomainError(
    { kind: "internal", reason: "INTERNAL", message: "internal error", metadata: {} },
    { cause: thrown },
  );
}

function showValue(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return cut(text);
}

function cut(text: string): string {
  return text.length <= 64 ? text : `${text.slice(0, 61)}...`;
}

function upperSnake(text: string): string {
  return text.replaceAll(/[^a-zA-Z0-9]+/g, "_").toUpperCase();
}
