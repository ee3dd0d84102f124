/** Blobs: bytes named by their sha256. */
import { DomainError, invalidField, notFound } from "./errors.js";

const SHA256 = /^[0-9a-f]{64}$/;

export interface BlobName {
  readonly sha256: string;
  readonly sizeBytes: number;
}

/**
 * The only thing that may become a file name. @throws `invalid` when it is not 64 lower-case
 * hexadecimal digits.
 */
export function parseSha256(field: string, value: string): string {
  if (!SHA256.test(value)) throw invalidField(field, value, "64 lower-case hexadecimal digits");
  return value;
}

export function blobNotFound(sha256: string): DomainError {
  return notFound("blob", sha256);
}

/** @param freeBytes what the host has, without what is kept free */
export function noSpaceForBlob(blob: BlobName, freeBytes: number): DomainError {
  return new DomainError({
    kind: "capacity",
    reason: "NO_SPACE",
    message: `blob ${blob.sha256} has ${blob.sizeBytes} bytes, the host has room for ${freeBytes}`,
    metadata: {
      sha256: blob.sha256,
      sizeBytes: String(blob.sizeBytes),
      freeBytes: String(freeBytes),
    },
  });
}

/** The bytes that came are not the bytes that were announced. */
export function blobMismatch(expected: BlobName, actual: BlobName): DomainError {
  const wrong = expected.sizeBytes === actual.sizeBytes ? "sha256" : "size";
  return new DomainError({
    kind: "invalid",
    reason: "BLOB_MISMATCH",
    message:
      `blob ${expected.sha256} of ${expected.sizeBytes} bytes: wrong ${wrong}, ` +
      `got ${actual.sizeBytes} bytes${wrong === "sha256" ? ` of sha256 ${actual.sha256}` : ""}`,
    metadata: {
      sha256: expected.sha256,
      sizeBytes: String(expected.sizeBytes),
      actualSizeBytes: String(actual.sizeBytes),
      wrong,
    },
  });
}

export function isMismatch(error: unknown): boolean {
  return error instanceof DomainError && error.reason === "BLOB_MISMATCH";
}
