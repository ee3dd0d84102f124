/**
 * Placement filters: each says whether one node can take the guest, with numbers where numbers are
 * compared. All filters are asked, so that a refusal names every obstacle of a node and not only
 * the first.
 */
import { IMAGE_MODES, type ImageKind } from "../domain/image.js";
import type { ModeAbility, ModeRequest } from "../domain/mode.js";
import type { Labels } from "../domain/names.js";
import type { GuestNeeds } from "../domain/needs.js";
import { allocatable, type NodeRecord } from "../domain/node.js";
import type { Rejection } from "../domain/placement.js";
import type { PlacementPolicy, PlacementRules } from "../domain/placement-rules.js";
import {
  mapResources,
  RESOURCE_KINDS,
  type Resources,
  subtractResources,
} from "../domain/resources.js";
import type { TemplateChoice } from "../domain/template.js";
import { labelRejections } from "./label-filters.js";
import { needRejections, unmetNeeds } from "./needs.js";
import { type OfferedAbility, offered, preferenceOf } from "./offers.js";

/** A node as the scheduler sees it. */
export interface NodeView {
  readonly node: NodeRecord;
  /** Sum of the allocations on it, reservations of migrations included. */
  readonly allocated: Resources;
}

export interface PlacementRequest {
  readonly guestUid: string;
  readonly projectId: string;
  readonly labels: Labels;
  readonly rules: PlacementRules;
  readonly resources: Resources;
  readonly mode: ModeRequest;
  readonly needs: GuestNeeds;
  readonly imageKind: ImageKind;
  /** Undefined = as the cluster says. */
  readonly policy?: PlacementPolicy | undefined;
  /** What it may begin from, or why it boots; absent = it does not ask for a quick start. */
  readonly template?: TemplateChoice;
  /** Only this node will do; empty = any. */
  readonly nodeId: string;
  /** It must be on a bridge. */
  readonly isBridged?: boolean;
  /** What its network does in each second must be limited. */
  readonly limitsNetwork?: boolean;
  /** Ports of its node that it needs, such as `tcp/2222`. */
  readonly ports?: readonly string[];
  /** Nodes on which others hold some of them, and who. */
  readonly heldPorts?: ReadonlyMap<string, string>;
  /** For a migration: where it is now and what runs it there. */
  readonly migratingFrom: { readonly nodeId: string; readonly ability: ModeAbility } | undefined;
}

/** The abilities of the node that could run the guest, best mode first; empty when none can. */
export function usableAbilities(request: PlacementRequest, node: NodeRecord): OfferedAbility[] {
  return offered(node, request.template?.machine)
    .filter((ability) => canUse(request, ability) && servesNetwork(request, ability))
    .filter((ability) => meetsNeeds(request, ability))
    .sort((a, b) => preferenceOf(b) - preferenceOf(a));
}

/** Those that would do if only the guest needed nothing of them. */
export function abilitiesIgnoringNeeds(
  request: PlacementRequest,
  node: NodeRecord,
): OfferedAbility[] {
  const abilities = offered(node, request.template?.machine);
  return abilities.filter((ability) => canUse(request, ability));
}

function leadsPorts({ ports = [] }: PlacementRequest, { canForward }: ModeAbility): boolean {
  return ports.length === 0 || canForward === true;
}

function limitsRate({ limitsNetwork }: PlacementRequest, ability: ModeAbility): boolean {
  return limitsNetwork !== true || ability.canLimitNetwork === true;
}

function servesNetwork(request: PlacementRequest, ability: ModeAbility): boolean {
  return leadsPorts(request, ability) && limitsRate(request, ability);
}

/** What runs already, and goes on the same way elsewhere, has what it needs. */
function meetsNeeds({ needs, migratingFrom }: PlacementRequest, ability: ModeAbility): boolean {
  return migratingFrom !== undefined || unmetNeeds(needs, ability).length === 0;
}

/** Why nothing that runs guests there will do; empty when something does. */
function modeRejections(request: PlacementRequest, node: NodeRecord): Rejection[] {
  if (usableAbilities(request, node).length > 0) return [];
  const refused = abilitiesIgnoringNeeds(request, node);
  const plain = { nodeId: node.id, need: undefined, have: undefined };
  if (refused.length === 0)
    return [{ ...plain, filter: "mode", message: missingMode(request, node) }];
  const serving = refused.filter((ability) => servesNetwork(request, ability));
  if (serving.length > 0) return needRejections(node.id, request.needs, serving);
  const modes = refused.map(({ mode }) => mode).join(", ");
  const leads = refused.some((ability) => leadsPorts(request, ability));
  const message = leads ? "it limits no network rates of" : "it leads no ports to";
  const filter = leads ? "bridge" : "port";
  return [{ ...plain, filter, message: `${message} guests in mode ${modes}` }];
}

export function isWithoutBridge({ isBridged }: PlacementRequest, { bridge }: NodeRecord): boolean {
  return isBridged === true && bridge === undefined;
}

function networkObstacles(
  request: PlacementRequest,
  node: NodeRecord,
): (readonly [Rejection["filter"], string])[] {
  const held = request.heldPorts?.get(node.id);
  return [
    ...(isWithoutBridge(request, node) ? [["bridge", "it offers no bridge"] as const] : []),
    ...(held === undefined ? [] : [["port", held] as const]),
  ];
}

/** Every reason why the node cannot take the guest; empty when it can. */
export function rejections(request: PlacementRequest, view: NodeView): Rejection[] {
  const { node } = view;
  const found: Rejection[] = [];
  const reject = (filter: Rejection["filter"], message: string): void => {
    found.push({ nodeId: node.id, filter, message, need: undefined, have: undefined });
  };
  if (node.state !== "ready") reject("readiness", "its agent does not answer");
  if (node.isCordoned) reject("cordon", "it is cordoned");
  if (request.nodeId !== "" && request.nodeId !== node.id) {
    reject("node", `the guest asks for node ${request.nodeId}`);
  }
  if (request.migratingFrom?.nodeId === node.id) reject("node", "the guest is there already");
  for (const [filter, message] of networkObstacles(request, node)) reject(filter, message);
  found.push(...modeRejections(request, node));
  found.push(...lackingResources(request, view), ...labelRejections(request.rules, node));
  return found;
}

function canUse(request: PlacementRequest, ability: ModeAbility): boolean {
  if (!IMAGE_MODES[request.imageKind].includes(ability.mode)) return false;
  const source = request.migratingFrom?.ability;
  if (source === undefined) return request.mode === "auto" || request.mode === ability.mode;
  return (
    ability.canLiveMigrate &&
    ability.mode === source.mode &&
    ability.engine === source.engine &&
    ability.engineVersion === source.engineVersion &&
    ability.acceleration === source.acceleration
  );
}

function missingMode(request: PlacementRequest, node: NodeRecord): string {
  const offered = [...new Set(node.abilities.map((ability) => ability.mode))].join(", ") || "none";
  const source = request.migratingFrom?.ability;
  const wanted = source
    ? `${source.mode} by ${source.engine} ${source.engineVersion} with live migration`
    : `${request.mode} for a ${request.imageKind} image`;
  return `needs mode ${wanted}, node offers ${offered}`;
}

function lackingResources(request: PlacementRequest, { node, allocated }: NodeView): Rejection[] {
  const left = subtractResources(allocatable(node), allocated);
  const free = mapResources((kind) => Math.max(0, left[kind]));
  return RESOURCE_KINDS.filter((kind) => request.resources[kind] > free[kind]).map((kind) => ({
    nodeId: node.id,
    filter: kind,
    message: `needs ${request.resources[kind]}, has ${free[kind]} left`,
    need: request.resources[kind],
    have: free[kind],
  }));
}
