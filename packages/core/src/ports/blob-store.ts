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
  /**
   * The same, from a source that can begin anywhere: goes on where an earlier fetch that broke
   * ended, also one of a process before. One at a time for each blob; the others wait for it.
   * @throws `invalid` on mismatch, after which the next one begins anew; `capacity` (NO_SPACE).
   */
  fetch(
    blob: { readonly sha256: string; readonly sizeBytes: number },
    openAt: (offsetBytes: number) => AsyncIterable<Uint8Array>,
  ): Promise<void>;
  has(sha256: string): Promise<boolean>;
  /**
   * Absolute path of a blob that is there, for engines; counts as use. @throws `not-found`.
   */
  pathOf(sha256: string): Promise<string>;
  /** From this byte on. @throws `not-found`. */
  read(sha256: string, offsetBytes?: number): AsyncIterable<Uint8Array>;
  /** All that are whole, those first whose last use is longest ago. */
  list(): Promise<readonly { readonly sha256: string; readonly sizeBytes: number }[]>;
  remove(sha256: string): Promise<void>;
}
