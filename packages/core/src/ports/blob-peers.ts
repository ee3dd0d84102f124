/** Other agents, as sources of blobs. */
export interface BlobPeers {
  /**
   * From the agent at host:port, from that byte on. @throws `not-found`, `unavailable` when it
   * cannot be reached or serves others.
   */
  readBlob(address: string, sha256: string, offsetBytes: number): AsyncIterable<Uint8Array>;
}
