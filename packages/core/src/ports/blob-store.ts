/**
 * Content-addressed bytes on this host: image blobs. Contract suite:
 * `testing/contracts/blob-store.contract.ts`.
 *
 * B1 A blob is visible under its hash only when whole and verified; a broken write leaves nothing.
 */
export interface BlobStore {
  /**
   * Writes the stream, verifying size and sha256. A blob that is there already is not written
   * again. @throws `invalid` on mismatch.
   */
  write(
    blob: { readonly sha256: string; readonly sizeBytes: number },
    bytes: AsyncIterable<Uint8Array>,
  ): Promise<void>;
  has(sha256: string): Promise<boolean>;
  /** Absolute path of a blob that is there, for engines. @throws `not-found`. */
  pathOf(sha256: string): Promise<string>;
  /** @throws `not-found`. */
  read(sha256: string): AsyncIterable<Uint8Array>;
  remove(sha256: string): Promise<void>;
}
