/**
 * Whose quotas count for a guest: its project's and that of every project above. All of them are
 * taken in one commit, each with its own limit, so that no race can break any of them (I3).
 */
import {
  type Check,
  type CounterChange,
  notFound,
  type Project,
  QUOTA_KINDS,
  quotaCounter,
  quotaExceeded,
  recordKey,
  type Usage,
} from "@innkeeper/core";
import type { Mirror, Versioned } from "../mirror/mirror.js";

/** From the project up to its root. @throws `not-found`. */
export function projectLine(
  mirror: Pick<Mirror, "project">,
  projectId: string,
): readonly Versioned<Project>[] {
  const line: Versioned<Project>[] = [];
  for (let id: string | undefined = projectId; id !== undefined; ) {
    const found = mirror.project(id);
    if (found === undefined) throw notFound("project", id);
    line.push(found);
    id = found.value.parentId;
  }
  return line;
}

/** The limits that a commit was decided by must still be in force. */
export function lineChecks(line: readonly Versioned<Project>[]): Check[] {
  return line.map(({ value, revision }) => ({ key: recordKey("project", value.id), revision }));
}

/**
 * What the commit would answer now, for those who only ask. @throws `capacity` (QUOTA_EXCEEDED)
 * naming the first project with too little.
 */
export function refuseOverQuota(
  mirror: Pick<Mirror, "usageOf">,
  line: readonly Versioned<Project>[],
  more: Usage,
): void {
  for (const { value } of line) {
    const used = mirror.usageOf(value.id);
    for (const kind of QUOTA_KINDS) {
      const limit = value.quota[kind];
      if (limit === undefined || more[kind] <= 0 || used[kind] + more[kind] <= limit) continue;
      throw quotaExceeded(value.id, { kind, used: used[kind], requested: more[kind], limit });
    }
  }
}

/** What shrinks is never refused, however far over a limit the rest is. */
export function lineCounters(line: readonly Versioned<Project>[], more: Usage): CounterChange[] {
  const kinds = QUOTA_KINDS.filter((kind) => more[kind] !== 0);
  return line.flatMap(({ value }) =>
    kinds.map((kind) => ({
      key: quotaCounter(value.id, kind),
      delta: more[kind],
      max: more[kind] > 0 ? value.quota[kind] : undefined,
    })),
  );
}
