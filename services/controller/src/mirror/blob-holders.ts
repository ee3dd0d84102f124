/**
 * Which nodes should have a blob: those with a guest that began on an image that consists of it. No
 * record of blobs is kept; a node that has removed it says so, and the next one is asked.
 */
import { fnv1a, type Guest } from "@innkeeper/core";
import type { Mirror } from "./mirror.js";

const HOLDERS_MAX = 4;

/**
 * @returns host:port of at most 4 agents other than `nodeId`'s; different nodes hear different ones
 * first, so that many who begin at once do not all ask the same one.
 */
export function blobHolders(
  mirror: Pick<Mirror, "images" | "guests" | "node">,
  sha256: string,
  nodeId: string,
): readonly string[] {
  const images = mirror.images().filter(({ manifest }) => hasBlob(manifest.blobs, sha256));
  const imageIds = new Set(images.map(({ id }) => id));
  const nodeIds = new Set<string>();
  for (const guest of mirror.guests()) {
    if (imageIds.has(guest.spec.imageId) && hasBegun(guest)) {
      nodeIds.add(guest.status.placement?.nodeId ?? nodeId);
    }
  }
  nodeIds.delete(nodeId);
  const ordered = [...nodeIds].sort((a, b) => order(nodeId, a) - order(nodeId, b));
  const records = ordered.slice(0, HOLDERS_MAX).map((id) => mirror.node(id)?.value.address);
  return records.filter((address) => address !== undefined);
}

function hasBlob(blobs: readonly { readonly sha256: string }[], sha256: string): boolean {
  return blobs.some((blob) => blob.sha256 === sha256);
}

function hasBegun({ status }: Guest): boolean {
  return status.startedAtMs !== undefined;
}

/** Rendezvous hashing: each asker has an order of its own, which new holders do not turn over. */
function order(asker: string, holder: string): number {
  return fnv1a(`${asker} ${holder}`);
}
