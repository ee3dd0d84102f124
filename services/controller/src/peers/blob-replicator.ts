/**
 * Images are imported at one controller; every other one fetches their blobs in the background, so
 * that any of them can serve any agent, also when the first is gone.
 */
import type { BlobStore, ImageBlob, Logger } from "@innkeeper/core";
import type { Mirror } from "../mirror/mirror.js";
import type { PeerControllers } from "./peer-controllers.js";

export interface BlobReplicatorOptions {
  readonly mirror: Mirror;
  readonly blobs: BlobStore;
  readonly peers: PeerControllers;
  readonly log: Logger;
}

export class BlobReplicator {
  readonly #options: BlobReplicatorOptions;
  #isBusy = false;
  #isAgain = false;

  constructor(options: BlobReplicatorOptions) {
    this.#options = options;
  }

  /** Looks at once and after each change of an image. Returns what stops it. */
  start(): () => void {
    void this.#fetchMissing();
    return this.#options.mirror.subscribe(({ changes }) => {
      if (changes.some(({ key }) => key.startsWith("image/"))) void this.#fetchMissing();
    });
  }

  /**
   * Brings a blob of a known image here. @throws `not-found` when no image has it; what the peers
   * answer.
   */
  async fetch(sha256: string): Promise<void> {
    const { mirror, blobs, peers } = this.#options;
    const known = mirror.images().flatMap(({ manifest }) => manifest.blobs);
    const blob = known.find((each) => each.sha256 === sha256);
    if (blob !== undefined) await blobs.fetch(blob, (offset) => peers.readBlob(sha256, offset));
  }

  async #fetchMissing(): Promise<void> {
    this.#isAgain = true;
    if (this.#isBusy) return;
    this.#isBusy = true;
    while (this.#isAgain) {
      this.#isAgain = false;
      const blobs = this.#options.mirror.images().flatMap(({ manifest }) => manifest.blobs);
      for (const blob of blobs) await this.#fetchOne(blob);
    }
    this.#isBusy = false;
  }

  /** A peer that does not answer now is asked again when an agent wants the blob. */
  async #fetchOne(blob: ImageBlob): Promise<void> {
    const { blobs, peers, log } = this.#options;
    try {
      if (await blobs.has(blob.sha256)) return;
      await blobs.fetch(blob, (offset) => peers.readBlob(blob.sha256, offset));
      log.info({ sha256: blob.sha256 }, "a blob was fetched from another controller");
    } catch (error) {
      log.warn(
        { sha256: blob.sha256, error },
        "a blob could not be fetched from other controllers",
      );
    }
  }
}
