/** What the placement of a guest asks of the scheduler. */
import {
  assert,
  type Guest,
  heldBy,
  limitsNetwork,
  NO_RULES,
  type PlacementPolicy,
  type PlacementRequest,
  portName,
  templateChoice,
} from "@innkeeper/core";
import { projectLine } from "../commands/quota-line.js";
import type { Mirror } from "../mirror/mirror.js";

/** What the scheduler must know of a guest. Its image exists: an image in use cannot be deleted. */
export function placementRequest(guest: Guest, mirror: Mirror): PlacementRequest {
  const image = mirror.image(guest.spec.imageId)?.value;
  assert(image !== undefined, `guest ${guest.uid} uses image ${guest.spec.imageId}, which is gone`);
  return {
    guestUid: guest.uid,
    projectId: guest.projectId,
    labels: guest.labels,
    rules: guest.spec.rules ?? NO_RULES,
    policy: guest.spec.rules?.policy ?? policyOfProject(mirror, guest.projectId),
    resources: heldBy(guest.spec),
    mode: guest.spec.mode,
    needs: guest.spec.needs,
    imageKind: image.manifest.kind,
    ...(guest.spec.needs.startWithinMs !== undefined && {
      template: templateChoice(guest.spec, image),
    }),
    nodeId: guest.spec.nodeId,
    isBridged: guest.spec.isBridged === true,
    limitsNetwork: limitsNetwork(guest.spec.limits),
    ports: (guest.spec.forwards ?? []).map(portName),
    migratingFrom: undefined,
  };
}

/** Of the nearest project on the way up that has one. */
function policyOfProject(mirror: Mirror, projectId: string): PlacementPolicy | undefined {
  const line = projectLine(mirror, projectId);
  return line.find(({ value }) => value.policy !== undefined)?.value.policy;
}
