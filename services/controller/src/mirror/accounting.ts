/** Sums over guests: what is allocated on each node, what each project uses. */
import {
  type Guest,
  mapResources,
  mapUsage,
  NO_RESOURCES,
  placementsOf,
  type Resources,
  takenBy,
  type Usage,
  usageOf,
} from "@innkeeper/core";

export const NO_USAGE: Usage = { guests: 0, ...NO_RESOURCES };

export function addPlacements(sums: Map<string, Resources>, guest: Guest, sign: 1 | -1): void {
  for (const { nodeId, resources } of placementsOf(guest)) {
    const sum = sums.get(nodeId) ?? NO_RESOURCES;
    sums.set(
      nodeId,
      mapResources((kind) => sum[kind] + sign * resources[kind]),
    );
  }
}

export function addUsage(sums: Map<string, Usage>, guest: Guest, sign: 1 | -1): void {
  const sum = sums.get(guest.projectId) ?? NO_USAGE;
  const usage = usageOf(takenBy(guest));
  sums.set(
    guest.projectId,
    mapUsage((kind) => sum[kind] + sign * usage[kind]),
  );
}

export function addUsages(left: Usage, right: Usage): Usage {
  return mapUsage((kind) => left[kind] + right[kind]);
}
