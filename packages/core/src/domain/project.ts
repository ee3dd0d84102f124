/**
 * A project: a tenant with a quota. Projects form a tree: what a guest takes counts in its project
 * and in every one above. Usage is the sum over the guests that exist there and below (I3).
 */
import { DomainError } from "./errors.js";
import type { PlacementPolicy } from "./placement-rules.js";
import { mapResources, RESOURCE_KINDS, type ResourceKind, type Resources } from "./resources.js";

export const QUOTA_KINDS = ["guests", ...RESOURCE_KINDS] as const;
export type QuotaKind = "guests" | ResourceKind;

/** A missing limit is no limit. */
export type Quota = Readonly<Partial<Record<QuotaKind, number>>>;
export type Usage = Readonly<Record<QuotaKind, number>>;

export interface Project {
  /** User-chosen, unique (RFC 1123 label). */
  readonly id: string;
  /** The project above; undefined for a root. Never changes. */
  readonly parentId?: string | undefined;
  readonly quota: Quota;
  /** Of its guests and those below; undefined = as the project above says, or the cluster. */
  readonly policy?: PlacementPolicy | undefined;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

/** A project and all above it: a chain of that many at most. */
export const PROJECT_DEPTH_MAX = 8;

/** The project every cluster has from the start. */
export const DEFAULT_PROJECT_ID = "default";

export function usageOf(resources: Resources): Usage {
  return { guests: 1, ...resources };
}

export function mapUsage(compute: (kind: QuotaKind) => number): Usage {
  return { guests: compute("guests"), ...mapResources(compute) };
}

/** @returns the error of admission; names project, resource and all numbers. */
export function quotaExceeded(
  projectId: string,
  exceeded: { kind: QuotaKind; used: number; requested: number; limit: number },
): DomainError {
  const { kind, used, requested, limit } = exceeded;
  return new DomainError({
    kind: "capacity",
    reason: "QUOTA_EXCEEDED",
    message:
      `project "${projectId}" quota of ${kind}: ${requested} requested, ` +
      `${used} of ${limit} used, ${Math.max(0, limit - used)} left`,
    metadata: {
      project: projectId,
      resource: kind,
      requested: String(requested),
      used: String(used),
      limit: String(limit),
    },
  });
}
