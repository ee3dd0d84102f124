/** Proves that usage is counted right: counters against sums over guests, in one snapshot (I3). */
import {
  type Guest,
  kindOf,
  mapUsage,
  type Project,
  QUOTA_KINDS,
  quotaCounter,
  type StateStore,
  takenBy,
  type Usage,
  usageOf,
} from "@innkeeper/core";

export interface UsageMismatch {
  readonly projectId: string;
  readonly resource: string;
  readonly counted: number;
  readonly summed: number;
}

export interface Verification {
  readonly revision: number;
  readonly projectCount: number;
  readonly guestCount: number;
  readonly mismatches: readonly UsageMismatch[];
}

/** Reads the whole store once. */
export async function verifyProjects(store: StateStore): Promise<Verification> {
  const { revision, records, counters } = await store.snapshot();
  const projects = records.filter(({ key }) => kindOf(key) === "project");
  const guests = records.filter(({ key }) => kindOf(key) === "guest");
  const parents = new Map(projects.map(({ value }) => [(value as Project).id, value as Project]));
  const sums = new Map<string, Usage>();
  for (const { value } of guests) addToLine(sums, parents, value as Guest);
  const counted = counters;
  const mismatches = [...parents.keys()].flatMap((projectId) =>
    QUOTA_KINDS.map((resource) => ({
      projectId,
      resource,
      counted: counted.get(quotaCounter(projectId, resource)) ?? 0,
      summed: sums.get(projectId)?.[resource] ?? 0,
    })).filter((each) => each.counted !== each.summed),
  );
  return { revision, projectCount: projects.length, guestCount: guests.length, mismatches };
}

function addToLine(
  sums: Map<string, Usage>,
  projects: ReadonlyMap<string, Project>,
  guest: Guest,
): void {
  const usage = usageOf(takenBy(guest));
  for (let id: string | undefined = guest.projectId; id !== undefined; ) {
    const sum = sums.get(id);
    sums.set(
      id,
      mapUsage((kind) => (sum?.[kind] ?? 0) + usage[kind]),
    );
    id = projects.get(id)?.parentId;
  }
}
