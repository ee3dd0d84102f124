/** Projects: create, set the quota. */
import {
  alreadyExists,
  invalidField,
  notFound,
  type PlacementPolicy,
  PROJECT_DEPTH_MAX,
  type Project,
  type Quota,
  type Revision,
  recordKey,
} from "@innkeeper/core";
import { type CommandContext, type Mutation, mutate } from "./command-context.js";
import { projectLine } from "./quota-line.js";
import { refuseStale } from "./update-guest.js";

export interface CreateProjectInput {
  readonly id: string;
  /** Undefined = a root. */
  readonly parentId: string | undefined;
  readonly quota: Quota;
  readonly policy?: PlacementPolicy | undefined;
  readonly requestId: string;
}

/**
 * @returns the project's id. @throws `already-exists`, `not-found` for its parent, `invalid` when
 * the tree would be too deep.
 */
export function createProject(context: CommandContext, input: CreateProjectInput): Promise<string> {
  const { requestId, id, parentId, quota, policy } = input;
  const body = { do: "create-project", id, parentId, quota, policy };
  return mutate(context, { id: requestId, body }, () => {
    if (context.mirror.project(id)) throw alreadyExists("project", id);
    if (parentId !== undefined) refuseTooDeep(context, parentId);
    const nowMs = context.clock.nowMs();
    const times = { createdAtMs: nowMs, updatedAtMs: nowMs };
    return putProject({ id, parentId, quota, policy, ...times }, "absent");
  });
}

function refuseTooDeep({ mirror }: CommandContext, parentId: string): void {
  if (projectLine(mirror, parentId).length < PROJECT_DEPTH_MAX) return;
  const allowed = `a project with fewer than ${PROJECT_DEPTH_MAX - 1} above it`;
  throw invalidField("project.parent_id", parentId, allowed);
}

export interface SetQuotaInput {
  readonly projectId: string;
  readonly quota: Quota;
  /** Revision the caller has seen, 0 = any. */
  readonly expectedRevision: number;
  readonly requestId: string;
}

/** Lowering a limit below use is allowed and stops growth only. @throws `not-found`, `conflict`. */
export function setProjectQuota(context: CommandContext, input: SetQuotaInput): Promise<string> {
  const { requestId, ...body } = input;
  return mutate(context, { id: requestId, body: { do: "set-quota", ...body } }, () => {
    const found = context.mirror.project(input.projectId);
    if (found === undefined) throw notFound("project", input.projectId);
    const { value, revision } = found;
    refuseStale("project", value.id, { expected: input.expectedRevision, actual: revision });
    const project = { ...value, quota: input.quota, updatedAtMs: context.clock.nowMs() };
    return putProject(project, revision);
  });
}

function putProject(project: Project, revision: Revision | "absent"): Mutation {
  const key = recordKey("project", project.id);
  const transaction = {
    checks: [{ key, revision }],
    puts: [{ key, value: project }],
    deletes: [],
    counters: [],
  };
  return { transaction, answer: project.id };
}
