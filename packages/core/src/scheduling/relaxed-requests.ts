/** A request with one of its wishes given up, for each wish that it has. */
import type { NodeRecord } from "../domain/node.js";
import type { PlacementRequest } from "./filters.js";
import { toldRule } from "./group-rules.js";
import { told, untolerated } from "./label-filters.js";

export interface RelaxedRequest {
  /** What is given up, as the user would write it. */
  readonly wish: string;
  readonly request: PlacementRequest;
}

export function relaxedRequests(
  request: PlacementRequest,
  nodes: readonly NodeRecord[],
): readonly RelaxedRequest[] {
  return [
    ...withoutRules(request),
    ...withTolerations(request, nodes),
    ...withoutNode(request),
    ...withoutNeeds(request),
  ];
}

function withoutRules(request: PlacementRequest): RelaxedRequest[] {
  const { rules } = request;
  const where = rules.where.map((dropped) => ({
    wish: `--where '${told(dropped)}'`,
    request: withRules(request, { where: rules.where.filter((each) => each !== dropped) }),
  }));
  const groups = rules.groups
    .filter(({ isHard }) => isHard)
    .map((dropped) => ({
      wish: `--group '${dropped.kind} ${toldRule(dropped)}'`,
      request: withRules(request, { groups: rules.groups.filter((each) => each !== dropped) }),
    }));
  return [...where, ...groups];
}

/** To endure one more taint is to give up being kept from it. */
function withTolerations(
  request: PlacementRequest,
  nodes: readonly NodeRecord[],
): RelaxedRequest[] {
  const { tolerations } = request.rules;
  const taints = new Set(nodes.flatMap(({ labels }) => untolerated(tolerations, labels)));
  return [...taints].map((taint) => ({
    wish: `staying away from taint ${taint}`,
    request: withRules(request, { tolerations: [...tolerations, taint] }),
  }));
}

function withoutNode(request: PlacementRequest): RelaxedRequest[] {
  const node = { wish: `--node ${request.nodeId}`, request: { ...request, nodeId: "" } };
  return request.nodeId === "" ? [] : [node];
}

function withoutNeeds(request: PlacementRequest): RelaxedRequest[] {
  const { mode, needs } = request;
  const relaxed: RelaxedRequest[] = [];
  const give = (wish: string, changed: Partial<PlacementRequest>): void => {
    relaxed.push({ wish, request: { ...request, ...changed } });
  };
  if (mode !== "auto") give(`--mode ${mode}`, { mode: "auto" });
  if (needs.liveMigration)
    give("--needs live-migration", { needs: { ...needs, liveMigration: false } });
  if (needs.ownKernel) give("--needs own-kernel", { needs: { ...needs, ownKernel: false } });
  if (needs.startWithinMs !== undefined) {
    give(`--start-within ${needs.startWithinMs}ms`, {
      needs: { ...needs, startWithinMs: undefined },
    });
  }
  return relaxed;
}

function withRules(
  request: PlacementRequest,
  changed: Partial<PlacementRequest["rules"]>,
): PlacementRequest {
  return { ...request, rules: { ...request.rules, ...changed } };
}
