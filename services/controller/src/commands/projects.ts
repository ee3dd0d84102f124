/** Projects: create, set the quota. */
import {
  alreadyExists,
  notFound,
  type Project,
  type Quota,
  type Revision,
  recordKey,
} from "@innkeeper/core";
import { type CommandContext, type Mutation, mutate } from "./command-context.js";
import { refuseStale } from "./update-guest.js";

export interface CreateProjectInput {
  readonly id: string;
  readonly quota: Quota;
  readonly requestId: string;
}

/** @returns the project's id. @throws `already-exists`. */
export function createProject(context: CommandContext, input: CreateProjectInput): Promise<string> {
  const { requestId, id, quota } = input;
  return mutate(context, { id: requestId, body: { do: "create-project", id, quota } }, () => {
    if (context.mirror.project(id)) throw alreadyExists("project", id);
    const nowMs = context.clock.nowMs();
    return putProject({ id, quota, createdAtMs: nowMs, updatedAtMs: nowMs }, "absent");
  });
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
