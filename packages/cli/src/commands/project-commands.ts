/** `inn project ...` */
import { Project, type Quota } from "@innkeeper/proto/innkeeper/v1/project";
import { VerifyProjectsResponse } from "@innkeeper/proto/innkeeper/v1/project_service";
import type { Command } from "commander";
import { allPages, PAGE_SIZE } from "../all-pages.js";
import type { CliContext } from "../cli-context.js";
import { EXIT } from "../exit-codes.js";
import { details, table } from "../output/table.js";
import { parseCount, parseCpu, parseMib } from "../parse-options.js";
import { parsePolicyOption, policyText } from "./placement-policy.js";
import type { Register } from "./register.js";

interface QuotaOptions {
  readonly parent?: string;
  readonly policy?: string;
  readonly guests?: string;
  readonly cpu?: string;
  readonly memory?: string;
  readonly disk?: string;
}

export function projectCommands(program: Command, register: Register): void {
  const project = program.command("project").description("tenants and their quotas");
  withQuota(
    project
      .command("create <name>")
      .description("create a project")
      .option("--parent <name>", "the project above, whose quota counts as well")
      .option("--policy <policy>", "where its guests go: spread, pack, balanced"),
  ).action((name: string, options: QuotaOptions) => {
    register((context) => createProject(context, name, options));
  });
  project
    .command("ls")
    .description("list projects")
    .action(() => register(listProjects));
  project
    .command("get <name>")
    .description("show one project")
    .action((name: string) => register((context) => showProject(context, name)));
  project
    .command("verify")
    .description("compare what is counted for each project with the sum over its guests")
    .action(() => register(verify));
  withQuota(
    project
      .command("set-quota <name>")
      .description("replace the quota; limits that are not given are lifted"),
  ).action((name: string, options: QuotaOptions) => {
    register((context) => setQuota(context, name, options));
  });
}

function withQuota(command: Command): Command {
  return command
    .option("--guests <count>", "number of guests")
    .option("--cpu <cpus>", "CPUs, such as 4")
    .option("--memory <size>", "memory, such as 2GiB")
    .option("--disk <size>", "disk, such as 20GiB");
}

function quotaOf({ guests, cpu, memory, disk }: QuotaOptions): Quota {
  return {
    guests: guests === undefined ? undefined : parseCount("--guests", guests),
    cpuMillis: cpu === undefined ? undefined : parseCpu("--cpu", cpu),
    memoryMib: memory === undefined ? undefined : parseMib("--memory", memory),
    diskMib: disk === undefined ? undefined : parseMib("--disk", disk),
  };
}

async function createProject(
  context: CliContext,
  id: string,
  options: QuotaOptions,
): Promise<void> {
  const { client, requestId, terminal } = context;
  const parentId = options.parent ?? "";
  const placementPolicy = parsePolicyOption(options.policy);
  const quota = quotaOf(options);
  const asked = Project.fromPartial({ id, parentId, quota, placementPolicy });
  const { project } = await client.projects.createProject({ project: asked, requestId });
  if (project) terminal.result(projectText(project), Project.toJSON(project));
}

async function listProjects({ client, terminal }: CliContext): Promise<void> {
  const projects = await allPages(async (pageToken) => {
    const { projects: items, nextPageToken } = await client.projects.listProjects({
      pageSize: PAGE_SIZE,
      pageToken,
    });
    return { items, nextPageToken };
  });
  const header = ["NAME", "PARENT", "GUESTS", "CPU", "MEMORY", "DISK"];
  const rows = projects.map((each) => [
    each.id,
    each.parentId || "-",
    used(each, "guests", ""),
    used(each, "cpuMillis", "m"),
    used(each, "memoryMib", "MiB"),
    used(each, "diskMib", "MiB"),
  ]);
  terminal.result(
    table(header, rows),
    projects.map((each) => Project.toJSON(each)),
  );
}

async function showProject({ client, terminal }: CliContext, projectId: string): Promise<void> {
  const { project } = await client.projects.getProject({ projectId });
  if (project) terminal.result(projectText(project), Project.toJSON(project));
}

async function verify({ client, terminal, setExitCode }: CliContext): Promise<void> {
  const verified = await client.projects.verifyProjects({});
  const { revision, projectCount, guestCount, mismatches } = verified;
  const right = `usage of ${projectCount} projects equals the sum over ${guestCount} guests`;
  const wrong = mismatches.map(
    ({ projectId, resource, counted, summed }) =>
      `${projectId}: ${counted} ${resource} counted, its guests take ${summed}`,
  );
  const said = wrong.length === 0 ? right : wrong.join("\n");
  terminal.result(`${said} (revision ${revision})`, VerifyProjectsResponse.toJSON(verified));
  if (wrong.length > 0) setExitCode(EXIT.failed);
}

async function setQuota(
  context: CliContext,
  projectId: string,
  options: QuotaOptions,
): Promise<void> {
  const { client, requestId, terminal } = context;
  const request = { projectId, quota: quotaOf(options), etag: "", requestId };
  const { project } = await client.projects.setProjectQuota(request);
  if (project) terminal.result(projectText(project), Project.toJSON(project));
}

function projectText(project: Project): string {
  return details([
    ["project", project.id],
    ["parent", project.parentId || "-"],
    ["policy", policyText(project.placementPolicy)],
    ["guests", used(project, "guests", "")],
    ["cpu", used(project, "cpuMillis", "m")],
    ["memory", used(project, "memoryMib", "MiB")],
    ["disk", used(project, "diskMib", "MiB")],
  ]);
}

function used(project: Project, kind: keyof Quota, unit: string): string {
  const limit = project.quota?.[kind];
  const usage = project.usage?.[kind] ?? 0;
  return limit === undefined ? `${usage}${unit}` : `${usage}/${limit}${unit}`;
}
