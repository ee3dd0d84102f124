/**
 * The one mapping between error kinds and gRPC status, both ways. Rich details travel as
 * `google.rpc.Status` with one `ErrorInfo` in the `grpc-status-details-bin` trailer (AIP-193).
 * UNKNOWN is never sent.
 */
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { ErrorInfo } from "@innkeeper/proto/google/rpc/error_details";
import { Status } from "@innkeeper/proto/google/rpc/status";
import { DomainError, ERROR_KINDS, type ErrorKind, toDomainError } from "../../domain/errors.js";

const CODE_OF: Readonly<Record<ErrorKind, status>> = {
  invalid: status.INVALID_ARGUMENT,
  unauthenticated: status.UNAUTHENTICATED,
  forbidden: status.PERMISSION_DENIED,
  "not-found": status.NOT_FOUND,
  "already-exists": status.ALREADY_EXISTS,
  precondition: status.FAILED_PRECONDITION,
  conflict: status.ABORTED,
  capacity: status.RESOURCE_EXHAUSTED,
  unavailable: status.UNAVAILABLE,
  timeout: status.DEADLINE_EXCEEDED,
  cancelled: status.CANCELLED,
  corrupt: status.DATA_LOSS,
  internal: status.INTERNAL,
};

const DETAILS_KEY = "grpc-status-details-bin";
const ERROR_DOMAIN = "innkeeper";
const ERROR_INFO_URL = "type.googleapis.com/google.rpc.ErrorInfo";
/** HTTP/2 peers limit all headers together, commonly to 8 KiB; longer texts are cut. */
const MESSAGE_LENGTH_MAX = 2_000;

/** What grpc-js wants from a failing handler. Internal errors show nothing of their cause. */
export function toServiceError(thrown: unknown): Partial<ServiceError> {
  const { error, code, message } = statusOf(thrown);
  const metadata = new Metadata();
  metadata.set(DETAILS_KEY, Buffer.from(encodeDetails(error, { code, message })));
  return { name: "ServiceError", message, details: message, code, metadata };
}

/**
 * The `DomainError` behind a failed call; calls that never reached a server of ours map by their
 * code.
 */
export function fromServiceError(thrown: unknown): DomainError {
  if (!isServiceError(thrown)) return toDomainError(thrown);
  const info = decodeDetails(thrown.metadata);
  const kind = ERROR_KINDS.find((each) => CODE_OF[each] === thrown.code) ?? "internal";
  const reason = info?.reason ?? status[thrown.code] ?? "INTERNAL";
  const metadata = info?.metadata ?? {};
  const message = thrown.details || thrown.message;
  return new DomainError({ kind, reason, message, metadata }, { cause: thrown });
}

/** `google.rpc.Status` in bytes, for errors that travel by other ways than gRPC. */
export function toStatusBytes(thrown: unknown): Uint8Array {
  const { error, code, message } = statusOf(thrown);
  return encodeDetails(error, { code, message });
}

/** What `toStatusBytes` wrote; anything else is an `internal` error. */
export function fromStatusBytes(bytes: Uint8Array): DomainError {
  try {
    const { code, message } = Status.decode(bytes);
    const metadata = new Metadata();
    metadata.set(DETAILS_KEY, Buffer.from(bytes));
    const details = { code, details: message, metadata, name: "ServiceError" };
    return fromServiceError(Object.assign(new Error(message), details));
  } catch (cause) {
    return toDomainError(cause);
  }
}

function statusOf(thrown: unknown) {
  const error = toDomainError(thrown);
  const message = error.message.slice(0, MESSAGE_LENGTH_MAX);
  return { error, code: CODE_OF[error.kind], message };
}

function encodeDetails(error: DomainError, { code, message }: { code: status; message: string }) {
  const metadata = Object.fromEntries(
    Object.entries(error.metadata).map(([key, value]) => [key, value.slice(0, MESSAGE_LENGTH_MAX)]),
  );
  const info = ErrorInfo.encode({ reason: error.reason, domain: ERROR_DOMAIN, metadata }).finish();
  const details = [{ typeUrl: ERROR_INFO_URL, value: Buffer.from(info) }];
  return Status.encode({ code, message, details }).finish();
}

/** Undefined also for details that are not ours to read: the code alone decides then. */
function decodeDetails(metadata: Metadata | undefined): ErrorInfo | undefined {
  const [encoded] = metadata?.get(DETAILS_KEY) ?? [];
  if (!Buffer.isBuffer(encoded)) return undefined;
  try {
    const info = Status.decode(encoded).details.find((each) => each.typeUrl === ERROR_INFO_URL);
    return info && ErrorInfo.decode(info.value);
  } catch {
    return undefined;
  }
}

function isServiceError(thrown: unknown): thrown is ServiceError {
  return thrown instanceof Error && typeof (thrown as Partial<ServiceError>).code === "number";
}
