/** ReplayDecision: the decision that is stored beside the one that is made again. */
import type { PlacementDecision } from "@innkeeper/core";
import type { Placement } from "@innkeeper/proto/innkeeper/v1/guest";
import type { ReplayDecisionResponse } from "@innkeeper/proto/innkeeper/v1/guest_service";
import type { GuestRef } from "../commands/change-guest.js";
import { replayDecision } from "../commands/replay-decision.js";
import type { Controller } from "../controller.js";
import { placementToProto } from "./guest-codec.js";

export async function replayed(
  controller: Controller,
  ref: GuestRef,
): Promise<ReplayDecisionResponse> {
  const { decision, result, isSame } = await replayDecision(controller, ref);
  return {
    stored: shown(decision),
    replayed: result.isPlaced ? shown(result.decision) : undefined,
    same: isSame,
  };
}

function shown(decision: PlacementDecision): Placement {
  return placementToProto({ ...decision, epoch: 0, decision });
}
