/** Streams a guest's first disk to whoever asks, from the agent of its node. */
import { type Guest, noExport, snapshotNotFound } from "@innkeeper/core";
import type { ExportGuestResponse } from "@innkeeper/proto/innkeeper/v1/guest_service";
import {
  findGuest,
  type GuestRef,
  illegalTransition,
  refuseIfBusy,
} from "../commands/change-guest.js";
import type { Controller } from "../controller.js";
import { notPlaced, placeOf } from "./guest-place.js";

export interface ExportRequest extends GuestRef {
  /** Undefined = the disk as it is. */
  readonly snapshotName: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * @throws `not-found`, `conflict` (GUEST_BUSY), `precondition` (ILLEGAL_TRANSITION, NO_EXPORT,
 * GUEST_NOT_PLACED), what the agent throws.
 */
export async function* exportGuest(
  controller: Controller,
  { snapshotName, signal, ...ref }: ExportRequest,
): AsyncGenerator<ExportGuestResponse> {
  const guest = findGuest(controller, ref).value;
  const snapshotUid = momentOf(guest, snapshotName);
  if (snapshotName === undefined) refuseIfBusy(controller, guest);
  if (guest.status.placement?.engine === "container" || guest.spec.resources.diskMib === 0) {
    throw noExport(guest.id, "it has no disk");
  }
  const place = placeOf(controller, guest);
  if (place === undefined) throw notPlaced(guest);
  const agent = controller.agents.clientFor(place.address);
  for await (const piece of agent.exportDisk(guest.uid, snapshotUid, signal)) {
    const { totalBytes, bytes } = piece;
    yield { totalBytes, data: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) };
  }
}

function momentOf(guest: Guest, snapshotName: string | undefined): string {
  if (snapshotName !== undefined) {
    const found = guest.spec.snapshots?.find(({ name }) => name === snapshotName);
    if (found === undefined) throw snapshotNotFound(snapshotName);
    return found.uid;
  }
  const isStill = ["STOPPED", "FAILED"].includes(guest.status.phase) && !guest.isDeleting;
  if (!isStill) throw illegalTransition(guest, "export without a snapshot");
  return "";
}
