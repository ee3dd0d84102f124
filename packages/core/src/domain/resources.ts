/**
 * Amounts of what a node has and a guest takes. Every amount is a safe integer of at least zero.
 */
export const RESOURCE_KINDS = ["cpuMillis", "memoryMib", "diskMib"] as const;
export type ResourceKind = (typeof RESOURCE_KINDS)[number];
export type Resources = Readonly<Record<ResourceKind, number>>;

export const NO_RESOURCES: Resources = { cpuMillis: 0, memoryMib: 0, diskMib: 0 };

export function mapResources(compute: (kind: ResourceKind) => number): Resources {
  return {
    cpuMillis: compute("cpuMillis"),
    memoryMib: compute("memoryMib"),
    diskMib: compute("diskMib"),
  };
}

export function addResources(left: Resources, right: Resources): Resources {
  return mapResources((kind) => left[kind] + right[kind]);
}

export function subtractResources(left: Resources, right: Resources): Resources {
  return mapResources((kind) => left[kind] - right[kind]);
}

/** The larger amount of each kind. */
export function maxResources(left: Resources, right: Resources): Resources {
  return mapResources((kind) => Math.max(left[kind], right[kind]));
}

export function sumResources(all: Iterable<Resources>): Resources {
  let sum = NO_RESOURCES;
  for (const one of all) sum = addResources(sum, one);
  return sum;
}
