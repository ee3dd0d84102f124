/** Console output, fetched from the node piece by piece; follows the guest when it moves. */
import { precondition } from "@innkeeper/core";
import type { ReadConsoleResponse } from "@innkeeper/proto/innkeeper/v1/guest_service";
import { findGuest, type GuestRef } from "../commands/change-guest.js";
import type { Controller } from "../controller.js";

const BYTES_MAX = 64 * 1024;
/** Pause between looks when following and nothing came. */
const POLL_MS = 25;

/**
 * @throws `not-found`, `precondition` (GUEST_NOT_PLACED), `unavailable` when the node does not
 * answer.
 */
export async function* readConsole(
  controller: Controller,
  request: GuestRef & { readonly isFollowing: boolean; readonly signal: AbortSignal },
): AsyncGenerator<ReadConsoleResponse> {
  let at = { nodeId: "", epoch: 0, offset: 0 };
  while (!request.signal.aborted) {
    const place = placeOf(controller, request);
    if (place.nodeId !== at.nodeId || place.epoch !== at.epoch)
      at = { nodeId: place.nodeId, epoch: place.epoch, offset: 0 };
    const { bytes, nextOffset } = await controller.agents
      .clientFor(place.address)
      .readConsole(place.guestUid, at.offset, BYTES_MAX);
    at = { ...at, offset: nextOffset };
    if (bytes.length > 0) yield { data: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) };
    else if (!request.isFollowing) return;
    else await pause(controller, POLL_MS);
  }
}

function placeOf(controller: Controller, request: GuestRef) {
  const { value: guest } = findGuest(controller, request);
  const { placement } = guest.status;
  const node = placement && controller.mirror.node(placement.nodeId)?.value;
  if (placement === undefined || node === undefined) {
    const message = `guest "${guest.id}" is ${guest.status.phase} and has no console yet`;
    throw precondition("GUEST_NOT_PLACED", message, { guest: guest.id });
  }
  const { nodeId, epoch } = placement;
  return { nodeId, epoch, address: node.address, guestUid: guest.uid };
}

function pause({ clock }: Controller, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.schedule(delayMs, resolve);
  });
}
