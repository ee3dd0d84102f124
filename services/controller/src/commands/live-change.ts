/** What of a guest can change while it runs, by the abilities of its mode there. */
import {
  type DataDisk,
  type Guest,
  type GuestSpec,
  limitsNetwork,
  type ModeAbility,
  type NodeRecord,
  type Placement,
  precondition,
  vcpuCount,
} from "@innkeeper/core";

export interface LiveChange {
  readonly placement: Placement;
  readonly node: NodeRecord | undefined;
  /** What is wanted. */
  readonly spec: GuestSpec;
}

/**
 * A running guest can have less than it was launched with, never more; disks as its mode allows.
 * @throws `precondition` (NO_LIVE_RESIZE) saying why and what helps.
 */
export function refuseWhatCannotChange(guest: Guest, change: LiveChange): void {
  const { placement, spec } = change;
  const [now, then] = [guest.spec.resources, spec.resources];
  const cpu = then.cpuMillis === now.cpuMillis ? undefined : whyNotCpu(guest, change);
  const memory = then.memoryMib === now.memoryMib ? undefined : whyNotMemory(guest, change);
  const why = cpu ?? memory ?? whyNotNetwork(change) ?? whyNotDisks(guest, change);
  if (why === undefined) return;
  const { engine, mode, nodeId } = placement;
  const where = `${mode} by ${engine} on ${nodeId}`;
  const message =
    `guest "${guest.id}" (${where}) cannot be resized while it runs: ${why}; ` +
    "stop it, resize it, start it";
  throw precondition("NO_LIVE_RESIZE", message, { guest: guest.id, node: nodeId, mode, why });
}

function abilityOf({ placement, node }: LiveChange): ModeAbility | undefined {
  const { engine, mode } = placement;
  return node?.abilities.find((each) => each.engine === engine && each.mode === mode);
}

function whyNotCpu({ status }: Guest, change: LiveChange): string | undefined {
  if (!abilityOf(change)?.canSetCpu) return "its CPU time cannot be limited there";
  const has = status.launchedWith?.vcpuCount;
  const need = vcpuCount(change.spec.resources);
  if (has === undefined || need <= has) return undefined;
  return `it was launched with ${has} vCPUs and needs ${need}`;
}

function whyNotMemory({ status }: Guest, change: LiveChange): string | undefined {
  if (!abilityOf(change)?.canSetMemory) return "it has no balloon";
  const has = status.launchedWith?.memoryMib;
  const { memoryMib } = change.spec.resources;
  if (has === undefined || memoryMib <= has) return undefined;
  return `it was launched with ${has} MiB of memory, ${memoryMib} are more`;
}

function whyNotNetwork(change: LiveChange): string | undefined {
  if (!limitsNetwork(change.spec.limits)) return undefined;
  return abilityOf(change)?.canLimitNetwork
    ? undefined
    : "its network rate cannot be limited there";
}

function whyNotDisks({ spec }: Guest, change: LiveChange): string | undefined {
  const [before, after] = [spec.dataDisks ?? [], change.spec.dataDisks ?? []];
  const ability = abilityOf(change);
  const isOther = namesOf(before) !== namesOf(after);
  if (isOther && !ability?.canAttachDisks) return "its machine takes and gives no disks";
  const hasGrown = (disk: DataDisk): boolean =>
    after.some(({ name, sizeMib }) => name === disk.name && sizeMib > disk.sizeMib);
  const isLarger = change.spec.resources.diskMib > spec.resources.diskMib || before.some(hasGrown);
  return isLarger && !ability?.canGrowDisks ? "its machine does not see disks grow" : undefined;
}

function namesOf(disks: readonly DataDisk[]): string {
  return disks.map(({ name }) => name).join();
}
