/** ExplainPlacement: parses what is asked, shows what the scheduler says. */
import { type Candidate, invalidField, MODE_PREFERENCE, parseName } from "@innkeeper/core";
import { errorToProto, MODE_TO_PROTO } from "@innkeeper/core/wire";
import type {
  ExplainPlacementRequest,
  ExplainPlacementResponse,
  NodeScore,
} from "@innkeeper/proto/innkeeper/v1/guest_service";
import {
  explainGuest,
  explainNewGuest,
  type PlacementExplanation,
} from "../commands/explain-placement.js";
import type { Controller } from "../controller.js";
import { parseNewGuest, placementToProto } from "./guest-codec.js";
import { parseOptionalName, parseProjectId } from "./parse-request.js";

export function explainPlacement(
  controller: Controller,
  request: ExplainPlacementRequest,
): ExplainPlacementResponse {
  const { result, refusal, rejections, candidate, changes } = ask(controller, request);
  const decision = result?.isPlaced ? result.decision : undefined;
  return {
    placement: decision && placementToProto({ ...decision, epoch: 0, decision }),
    refusal: errorToProto(refusal),
    rejections: rejections.map((each) => ({ ...each })),
    score: candidate && scoreToProto(candidate),
    changes: changes.map(({ change, text }) => ({ kind: change.kind, message: text })),
  };
}

function ask(controller: Controller, request: ExplainPlacementRequest): PlacementExplanation {
  const nodeId = parseOptionalName("node_id", request.nodeId);
  const { subject } = request;
  switch (subject?.$case) {
    case "guest":
      return explainNewGuest(controller, parseNewGuest(subject.value), nodeId);
    case "name": {
      const { projectId, guestId } = subject.value;
      const ref = {
        projectId: parseProjectId("name.project_id", projectId),
        guestId: parseName("name.guest_id", guestId),
      };
      return explainGuest(controller, ref, nodeId);
    }
    case undefined:
      throw invalidField("subject", "unset", "a guest or the name of one");
  }
}

function scoreToProto({ ability, score, fit, violations }: Candidate): NodeScore {
  return {
    mode: MODE_TO_PROTO[ability.mode],
    score,
    fit,
    modePreference: MODE_PREFERENCE[ability.mode],
    softViolations: violations,
  };
}
