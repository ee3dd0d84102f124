/** Runs a command in a guest, by the agent of its node. */
import { type ExecRequest, type Guest, noGuestAgent } from "@innkeeper/core";
import { execOutputToProto } from "@innkeeper/core/wire";
import type { ExecGuestResponse } from "@innkeeper/proto/innkeeper/v1/guest_service";
import { findGuest, type GuestRef } from "../commands/change-guest.js";
import type { Controller } from "../controller.js";
import { notPlaced, placeOf } from "./guest-place.js";

type GuestExec = GuestRef & { readonly request: ExecRequest; readonly signal: AbortSignal };

/**
 * @throws `not-found`, `precondition` (GUEST_NOT_PLACED, NO_GUEST_AGENT), what the agent throws.
 */
export async function* execGuest(
  controller: Controller,
  { request, signal, ...ref }: GuestExec,
): AsyncGenerator<ExecGuestResponse> {
  const guest = findGuest(controller, ref).value;
  refuseWithoutAgent(controller, guest);
  const place = placeOf(controller, guest);
  if (place === undefined) throw notPlaced(guest);
  const agent = controller.agents.clientFor(place.address);
  for await (const output of agent.exec(guest.uid, request, signal)) {
    yield { output: execOutputToProto(output) };
  }
}

/** In a container the host itself starts the command; a simulated guest only says that it did. */
function refuseWithoutAgent({ mirror }: Controller, { id, spec, status }: Guest): void {
  const { engine } = status.placement ?? {};
  const needsAgent = engine === "qemu" || engine === "xen";
  if (!needsAgent) return;
  if (mirror.image(spec.imageId)?.value.manifest.hasGuestAgent !== true) throw noGuestAgent(id);
}
