/**
 * Resize: changes what a guest may use, while it runs where that is possible. What grows is taken
 * from the node and from the quota in the same commit; what shrinks is given back when the node has
 * confirmed it (plan-resize.ts).
 */
import {
  allocatable,
  type CounterChange,
  DomainError,
  type Guest,
  invalidField,
  type ModeAbility,
  type NodeRecord,
  nodeCounter,
  type Placement,
  precondition,
  RESOURCE_KINDS,
  type Resources,
  recordKey,
  subtractResources,
  takenBy,
  usageOf,
  vcpuCount,
  withNewIntent,
} from "@innkeeper/core";
import type { Versioned } from "../mirror/mirror.js";
import { changeGuest, type GuestCommand, illegalTransition, refuseIfBusy } from "./change-guest.js";
import type { CommandContext } from "./command-context.js";
import { lineChecks, lineCounters, projectLine } from "./quota-line.js";

export interface ResizeGuestInput extends GuestCommand {
  /** Undefined = as it is. */
  readonly cpuMillis: number | undefined;
  readonly memoryMib: number | undefined;
}

/** Phases in which a guest can be resized: it runs, or nothing of it does. */
const RESIZABLE: readonly Guest["status"]["phase"][] = ["RUNNING", "STOPPED", "FAILED"];

/**
 * @returns the operation's id; asking for what is so already succeeds at once.
 * @throws `not-found`, `invalid`, `conflict` (GUEST_BUSY), `precondition` (ILLEGAL_TRANSITION,
 * NO_LIVE_RESIZE), `capacity` (QUOTA_EXCEEDED, NODE_FULL).
 */
export function resizeGuest(context: CommandContext, input: ResizeGuestInput): Promise<string> {
  return changeGuest(context, { input: { ...input }, kind: "resize" }, ({ value: guest }) => {
    refuseIfBusy(context, guest);
    if (!mayResize(guest)) throw illegalTransition(guest, "resize");
    const resources = wanted(guest, input);
    refuseTooLittle(context, guest, resources);
    const { placement, phase } = guest.status;
    const node = placement && context.mirror.node(placement.nodeId);
    if (placement && phase === "RUNNING") {
      refuseWhatCannotChange(guest, { placement, node: node?.value, resources });
    }
    return commitOf(context, { guest, resized: withResources(guest, resources), node });
  });
}

/** One that runs and is about to be paused or stopped could no longer confirm it. */
function mayResize({ isDeleting, spec, status }: Guest): boolean {
  if (isDeleting || !RESIZABLE.includes(status.phase)) return false;
  return status.phase !== "RUNNING" || spec.desired === "running";
}

function wanted({ spec }: Guest, { cpuMillis, memoryMib }: ResizeGuestInput): Resources {
  const now = spec.resources;
  return {
    ...now,
    cpuMillis: cpuMillis ?? now.cpuMillis,
    memoryMib: memoryMib ?? now.memoryMib,
  };
}

function withResources(guest: Guest, resources: Resources): Guest {
  const from = guest.spec.resources;
  if (RESOURCE_KINDS.every((kind) => from[kind] === resources[kind])) return guest;
  const resize = guest.status.placement && { from };
  return withNewIntent({
    ...guest,
    generation: guest.generation + 1,
    spec: { ...guest.spec, resources },
    status: { ...guest.status, resize },
  });
}

function commitOf(
  { mirror }: CommandContext,
  change: { guest: Guest; resized: Guest; node: Versioned<NodeRecord> | undefined },
) {
  const { guest, resized, node } = change;
  const line = projectLine(mirror, guest.projectId);
  const more = subtractResources(takenBy(resized), takenBy(guest));
  if (node) refuseOverNode(node.value, more, mirror.allocatedOn(node.value.id));
  return {
    guest: resized,
    checks: [
      ...lineChecks(line),
      ...(node ? [{ key: recordKey("node", node.value.id), revision: node.revision }] : []),
    ],
    counters: [
      ...lineCounters(line, { ...usageOf(more), guests: 0 }),
      ...(node ? nodeChanges(node.value, more) : []),
    ],
  };
}

function nodeChanges(node: NodeRecord, more: Resources): CounterChange[] {
  const limit = allocatable(node);
  return changedKinds(more).map((kind) => ({
    key: nodeCounter(node.id, kind),
    delta: more[kind],
    max: more[kind] > 0 ? limit[kind] : undefined,
  }));
}

function changedKinds(more: Resources) {
  return RESOURCE_KINDS.filter((kind) => more[kind] !== 0);
}

/** A friendly early answer; what holds is the bounded counter in the commit. */
function refuseOverNode(node: NodeRecord, more: Resources, allocated: Resources): void {
  const limit = allocatable(node);
  for (const kind of RESOURCE_KINDS) {
    const left = Math.max(0, limit[kind] - allocated[kind]);
    if (more[kind] <= 0 || more[kind] <= left) continue;
    throw new DomainError({
      kind: "capacity",
      reason: "NODE_FULL",
      message: `node ${node.id} has ${left} of ${kind} left, ${more[kind]} more are needed`,
      metadata: { node: node.id, resource: kind, left: String(left), need: String(more[kind]) },
    });
  }
}

function refuseTooLittle(
  { mirror }: CommandContext,
  { spec }: Guest,
  { memoryMib }: Resources,
): void {
  const memoryMibMin = mirror.image(spec.imageId)?.value.manifest.memoryMibMin ?? 0;
  if (memoryMib >= memoryMibMin) return;
  const allowed = `at least ${memoryMibMin} for image ${spec.imageId}`;
  throw invalidField("memory_mib", memoryMib, allowed);
}

/** A running guest can have less than it was launched with, never more. */
function refuseWhatCannotChange(guest: Guest, change: LiveChange): void {
  const { placement, resources } = change;
  const now = guest.spec.resources;
  const cpu = resources.cpuMillis === now.cpuMillis ? undefined : whyNotCpu(guest, change);
  const memory = resources.memoryMib === now.memoryMib ? undefined : whyNotMemory(guest, change);
  const why = cpu ?? memory;
  if (why === undefined) return;
  const { engine, mode, nodeId } = placement;
  const where = `${mode} by ${engine} on ${nodeId}`;
  const message =
    `guest "${guest.id}" (${where}) cannot be resized while it runs: ${why}; ` +
    "stop it, resize it, start it";
  throw precondition("NO_LIVE_RESIZE", message, { guest: guest.id, node: nodeId, mode, why });
}

interface LiveChange {
  readonly placement: Placement;
  readonly node: NodeRecord | undefined;
  readonly resources: Resources;
}

function abilityOf({ placement, node }: LiveChange): ModeAbility | undefined {
  const { engine, mode } = placement;
  return node?.abilities.find((each) => each.engine === engine && each.mode === mode);
}

function whyNotCpu({ status }: Guest, change: LiveChange): string | undefined {
  if (!abilityOf(change)?.canSetCpu) return "its CPU time cannot be limited there";
  const has = status.launchedWith?.vcpuCount;
  const need = vcpuCount(change.resources);
  if (has === undefined || need <= has) return undefined;
  return `it was launched with ${has} vCPUs and needs ${need}`;
}

function whyNotMemory({ status }: Guest, change: LiveChange): string | undefined {
  if (!abilityOf(change)?.canSetMemory) return "it has no balloon";
  const has = status.launchedWith?.memoryMib;
  const { memoryMib } = change.resources;
  if (has === undefined || memoryMib <= has) return undefined;
  return `it was launched with ${has} MiB of memory, ${memoryMib} are more`;
}
