/** Exit codes of `inn`: scripts may rely on them. */
import type { ErrorKind } from "@innkeeper/core";

export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  refused: 4,
  unavailable: 5,
} as const;

/**
 * `guest exec` ends with the code of its command; this one says that there is none, as with other
 * tools that run commands elsewhere.
 */
export const EXIT_NOT_RUN = 125;

const BY_KIND: Readonly<Record<ErrorKind, number>> = {
  invalid: EXIT.usage,
  unauthenticated: EXIT.failed,
  forbidden: EXIT.failed,
  "not-found": EXIT.notFound,
  "already-exists": EXIT.failed,
  precondition: EXIT.failed,
  conflict: EXIT.failed,
  capacity: EXIT.refused,
  unavailable: EXIT.unavailable,
  timeout: EXIT.unavailable,
  cancelled: EXIT.failed,
  corrupt: EXIT.failed,
  internal: EXIT.failed,
};

export function exitCodeOf(kind: ErrorKind): number {
  return BY_KIND[kind];
}
