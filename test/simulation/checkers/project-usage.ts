/**
 * I3: usage equals the sum over the guests of a project and of those below it, and never grows
 * beyond the quota.
 */
import {
  type Guest,
  type Project,
  QUOTA_KINDS,
  type QuotaKind,
  quotaCounter,
  takenBy,
  usageOf,
} from "@innkeeper/core";
import { type Checker, Violation, type World } from "./checker.js";

export function projectUsage({ records }: World): Checker {
  const earlier = new Map<string, number>();
  let mustCount = false;
  return {
    onCommit: () => {
      mustCount = true;
      for (const project of records.projects()) {
        const guests = guestsBelow(records, project);
        for (const kind of QUOTA_KINDS) {
          const key = quotaCounter(project.id, kind);
          const used = sumOf(guests, kind);
          checkGrowth(project, kind, { used, before: earlier.get(key) ?? 0 });
          earlier.set(key, used);
        }
      }
    },
    onEvent: () => {
      if (!mustCount) return;
      mustCount = false;
      for (const project of records.projects()) checkCounters(records, project);
    },
  };
}

/** A quota may be lowered below what is used; then nothing may grow. */
function checkGrowth(
  project: Project,
  kind: QuotaKind,
  { used, before }: { used: number; before: number },
): void {
  const limit = project.quota[kind];
  if (limit === undefined || used <= limit || used <= before) return;
  throw new Violation("I3", `project ${project.id} uses ${used} of ${limit} ${kind}`);
}

function checkCounters(records: World["records"], project: Project): void {
  const guests = guestsBelow(records, project);
  for (const kind of QUOTA_KINDS) {
    const [sum, counted] = [sumOf(guests, kind), records.counter(quotaCounter(project.id, kind))];
    if (sum === counted) continue;
    const what = `${counted} ${kind} are counted for project ${project.id}`;
    throw new Violation("I3", `${what}, its guests use ${sum}`);
  }
}

function guestsBelow(records: World["records"], top: Project): readonly Guest[] {
  const parents = new Map(records.projects().map(({ id, parentId }) => [id, parentId]));
  const isBelow = (id: string | undefined): boolean =>
    id !== undefined && (id === top.id || isBelow(parents.get(id)));
  return records.guests().filter(({ projectId }) => isBelow(projectId));
}

function sumOf(guests: readonly Guest[], kind: QuotaKind): number {
  return guests.reduce((total, guest) => total + usageOf(takenBy(guest))[kind], 0);
}
