/** Errors as they are stored in records and given in results, not thrown. */
import { DomainError } from "@innkeeper/core";
import { parseError } from "@innkeeper/core/wire";
import type { Error as ProtoError } from "@innkeeper/proto/innkeeper/v1/error";

/** @param stored undefined when there is neither a result nor an error, which is a bug */
export function storedError(stored: ProtoError | undefined): DomainError {
  const error = parseError(stored);
  return new DomainError(
    error ?? { kind: "internal", reason: "NO_RESULT", message: "no result", metadata: {} },
  );
}
