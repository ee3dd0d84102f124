/** ProjectService: tenants and their quotas. */

import { invalidField, notFound, parseName } from "@innkeeper/core";
import { unary } from "@innkeeper/core/platform";
import { parsePolicy } from "@innkeeper/core/wire";
import type { ProjectServiceServer } from "@innkeeper/proto/innkeeper/v1/project_service";
import { createProject, setProjectQuota } from "../commands/projects.js";
import { verifyProjects } from "../commands/verify-projects.js";
import type { Controller } from "../controller.js";
import {
  pageOf,
  parseEtag,
  parseOptionalName,
  parseProjectId,
  parseRequestId,
} from "./parse-request.js";
import { parseQuota, projectToProto } from "./record-codecs.js";

export function projectService(controller: Controller): ProjectServiceServer {
  const { log, mirror } = controller;
  const show = (id: string) => {
    const project = mirror.project(id);
    if (project === undefined) throw notFound("project", id);
    return { project: projectToProto(project, mirror) };
  };
  return {
    createProject: unary(log, async ({ project, requestId }) => {
      if (project === undefined) throw invalidField("project", "unset", "a project with id");
      const id = await createProject(controller, {
        id: parseName("project.id", project.id),
        parentId: parseOptionalName("project.parent_id", project.parentId) || undefined,
        quota: parseQuota("project.quota", project.quota ?? NO_LIMITS),
        policy: parsePolicy("project.placement_policy", project.placementPolicy),
        requestId: parseRequestId(requestId),
      });
      return show(id);
    }),
    getProject: unary(log, ({ projectId }) => show(parseProjectId("project_id", projectId))),
    listProjects: unary(log, (request) => {
      const { items, nextPageToken } = pageOf(mirror.projects(), (each) => each.id, request);
      const versioned = items.map(({ id }) => mirror.project(id)).filter((each) => !!each);
      return { projects: versioned.map((each) => projectToProto(each, mirror)), nextPageToken };
    }),
    setProjectQuota: unary(log, async (request) => {
      const id = await setProjectQuota(controller, {
        projectId: parseProjectId("project_id", request.projectId),
        quota: parseQuota("quota", request.quota),
        expectedRevision: parseEtag("etag", request.etag),
        requestId: parseRequestId(request.requestId),
      });
      return show(id);
    }),
    verifyProjects: unary(log, async () => {
      const { mismatches, ...verified } = await verifyProjects(controller.store);
      return { ...verified, mismatches: [...mismatches] };
    }),
  };
}

const NO_LIMITS = {
  guests: undefined,
  cpuMillis: undefined,
  memoryMib: undefined,
  diskMib: undefined,
};
