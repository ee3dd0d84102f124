/** What the NATS client throws, as `DomainError`. */
import { JetStreamApiCodes, JetStreamApiError } from "@nats-io/jetstream";
import { errors } from "@nats-io/transport-node";
import { conflict, DomainError, unavailable } from "../../domain/errors.js";

/**
 * Of a request or publication: `unavailable` when nothing was done, `timeout` when that is not
 * known, `conflict` when an expectation about the stream did not hold.
 */
export function natsFailure(thrown: unknown): DomainError {
  if (thrown instanceof DomainError) return thrown;
  if (thrown instanceof errors.TimeoutError) return timedOut(thrown);
  if (isApiError(thrown, JetStreamApiCodes.StreamWrongLastSequence)) {
    return conflict("EVENT_LOG_MOVED", "somebody else appends to the event log");
  }
  return unavailable("nats", messageOf(thrown), thrown);
}

/** Of connecting: `unauthenticated` when the server does not take the credentials. */
export function connectFailure(thrown: unknown): DomainError {
  if (!isRefusal(thrown)) return natsFailure(thrown);
  return new DomainError(
    {
      kind: "unauthenticated",
      reason: "NATS_CREDENTIALS_REFUSED",
      message: `NATS refuses the credentials: ${thrown.message}`,
      metadata: {},
    },
    { cause: thrown },
  );
}

export function isRefusal(thrown: unknown): thrown is Error {
  return (
    thrown instanceof errors.AuthorizationError ||
    thrown instanceof errors.UserAuthenticationExpiredError
  );
}

export function isApiError(thrown: unknown, code: number): boolean {
  return thrown instanceof JetStreamApiError && thrown.code === code;
}

function timedOut(cause: Error): DomainError {
  return new DomainError(
    {
      kind: "timeout",
      reason: "NATS_TIMEOUT",
      message: "NATS did not answer in time",
      metadata: {},
    },
    { cause },
  );
}

function messageOf(thrown: unknown): string {
  if (thrown instanceof errors.RequestError && thrown.isNoResponders()) return "nobody answers";
  return thrown instanceof Error ? thrown.message : String(thrown);
}
