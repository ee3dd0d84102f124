/**
 * Every field of every request, one bad value at a time: INVALID_ARGUMENT that names the field, the
 * value and what is allowed, as text and as `google.rpc.ErrorInfo`.
 */
import { type Metadata, status } from "@grpc/grpc-js";
import { ErrorInfo } from "@innkeeper/proto/google/rpc/error_details";
import { Status } from "@innkeeper/proto/google/rpc/status";
import { Guest } from "@innkeeper/proto/innkeeper/v1/guest";
import { Project } from "@innkeeper/proto/innkeeper/v1/project";
import protobuf from "protobufjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AGENT_FIELDS } from "./bad-agent-fields.js";
import { ANY_VALUE, CONTROLLER_FIELDS } from "./bad-fields.js";
import type { BadField } from "./bad-values.js";
import { allRpcs, type Rpc } from "./hostile-messages.js";
import { InProcessCluster } from "./in-process-cluster.js";
import { RawCalls } from "./raw-calls.js";

const RPCS = allRpcs();
/** Every answer comes: how soon does not matter here. */
const PATIENT = { callMs: 10_000, streamMs: 10_000 };
const REQUEST_ID = "6f9619ff-8b86-4011-b42d-00c04fc964ff";

let cluster: InProcessCluster;
let controller: RawCalls;
let agent: RawCalls;

beforeAll(async () => {
  cluster = new InProcessCluster();
  await cluster.startController();
  controller = new RawCalls(cluster.controller.address, PATIENT);
  agent = new RawCalls((await cluster.startAgent("n1")).address, PATIENT);
  await cluster.importTiny();
});

afterAll(async () => {
  controller.close();
  agent.close();
  await cluster.dispose();
});

function rpcNamed(name: string): Rpc {
  const found = RPCS.find(({ path }) => path.endsWith(`.${name.replace(".", "/")}`));
  if (found === undefined) throw new Error(`no RPC ${name}`);
  return found;
}

/** The request with another value at `a.b[0].c`. */
function withField(request: object, path: string, value: unknown): object {
  const copy = structuredClone(request) as Record<string, unknown>;
  const steps = path.replaceAll(/\[([0-9]+)\]/g, ".$1").split(".");
  let at = copy;
  for (const step of steps.slice(0, -1)) {
    at[step] ??= {};
    at = at[step] as Record<string, unknown>;
  }
  at[steps.at(-1) ?? ""] = value;
  return copy;
}

function encode({ request }: Rpc, value: object): Buffer {
  return Buffer.from(request.encode(request.fromObject(value)).finish());
}

function errorInfoOf(metadata: Metadata | undefined): ErrorInfo {
  const [encoded] = metadata?.get("grpc-status-details-bin") ?? [];
  const [detail] = Status.decode(encoded as Buffer).details;
  expect(detail?.typeUrl).toBe("type.googleapis.com/google.rpc.ErrorInfo");
  return ErrorInfo.decode(detail?.value ?? Buffer.alloc(0));
}

async function expectRefused(calls: RawCalls, { rpc, field, values, request }: BadField) {
  const method = rpcNamed(rpc);
  for (const value of values) {
    const bad = encode(method, withField(request, field, value));
    const { code, message, metadata } = await calls.call(method, [bad]);
    const shown = `${rpc} ${field}=${JSON.stringify(value)?.slice(0, 80)}: ${message}`;
    expect(status[code], shown).toBe("INVALID_ARGUMENT");
    expect(message, shown).toMatch(/^[^:]+: .* is not allowed; allowed: .+/s);
    expect(message.length, shown).toBeLessThan(500);
    const { reason, domain, metadata: named } = errorInfoOf(metadata);
    expect([reason, domain]).toEqual(["INVALID_FIELD", "innkeeper"]);
    expect(isAbout(named["field"] ?? "", field), shown).toBe(true);
    expect(message).toContain(named["value"]);
  }
}

/** Messages of lists and maps name the entry; of nested messages sometimes only their own part. */
function isAbout(named: string, field: string): boolean {
  const bare = field.replaceAll(/\[[0-9]+\]/g, "");
  const plain = named.replaceAll(/\[[^\]]*\]| key$/g, "");
  return bare === plain || bare.endsWith(`.${plain}`) || `${bare}`.startsWith(plain);
}

describe("a bad value is refused by name", () => {
  it.each(CONTROLLER_FIELDS)("in $rpc $field", async (row) => {
    await expectRefused(controller, row);
  });

  it.each(AGENT_FIELDS)("in $rpc $field", async (row) => {
    await expectRefused(agent, row);
  });

  it("in every field of every request that does not take any value", () => {
    const told = new Set(
      [...CONTROLLER_FIELDS, ...AGENT_FIELDS].map(({ rpc, field }) => {
        return `${rpc} ${field.replaceAll(/\[[0-9]+\]/g, "")}`;
      }),
    );
    const missing = RPCS.flatMap(leavesOf)
      .filter((leaf) => !isTold(told, leaf))
      .filter((leaf) => !ANY_VALUE.some((each) => each.test(leaf)));
    expect(missing).toEqual([]);
  });
});

/** A message that is refused as a whole, such as a duration, stands for its fields. */
function isTold(told: ReadonlySet<string>, leaf: string): boolean {
  if (told.has(leaf)) return true;
  return /\.(seconds|nanos|paths)$/.test(leaf) && told.has(leaf.replace(/\.[a-z]+$/, ""));
}

function leavesOf({ path, request }: Rpc): string[] {
  const rpc = path.replace(/^.*\.([A-Za-z]+)\/([A-Za-z]+)$/, "$1.$2");
  return fieldsOf(request, "").map((field) => `${rpc} ${field}`);
}

function fieldsOf(type: protobuf.Type, prefix: string): string[] {
  return type.fieldsArray.flatMap((field) => {
    const name = `${prefix}${field.name}`;
    const { resolvedType } = field;
    if (field.map || !(resolvedType instanceof protobuf.Type)) return [name];
    return prefix.split(".").length > 5 ? [] : fieldsOf(resolvedType, `${name}.`);
  });
}

describe("what depends on the state", () => {
  const GUEST = Guest.fromPartial({
    id: "g",
    spec: { imageId: "tiny", resources: { cpuMillis: 100, memoryMib: 32, diskMib: 0 } },
  });

  it("is NOT_FOUND for an image or a project that is not there", async () => {
    const { client } = cluster;
    const spec = { ...GUEST.spec, imageId: "none" } as Guest["spec"];
    const creating = client.guests.createGuest({ guest: { ...GUEST, spec }, requestId: "" });
    await expect(creating).rejects.toMatchObject({ kind: "not-found", reason: "IMAGE_NOT_FOUND" });
    const guest = { ...GUEST, projectId: "none" };
    await expect(client.guests.createGuest({ guest, requestId: "" })).rejects.toMatchObject({
      kind: "not-found",
      reason: "PROJECT_NOT_FOUND",
    });
  });

  it("is ABORTED for a stale etag, naming the present one", async () => {
    const { client } = cluster;
    await client.guests.createGuest({ guest: GUEST, requestId: "" });
    const update = { guest: { ...GUEST, etag: "1" }, updateMask: ["labels"], requestId: "" };
    await expect(client.guests.updateGuest(update)).rejects.toMatchObject({
      kind: "conflict",
      reason: "ETAG_MISMATCH",
    });
    const quota = { projectId: "", quota: {} as never, etag: "999999", requestId: "" };
    await expect(client.projects.setProjectQuota(quota)).rejects.toMatchObject({
      kind: "conflict",
      metadata: expect.objectContaining({ id: "default" }) as unknown,
    });
  });

  it("is INVALID_ARGUMENT for a request id that was used with another body", async () => {
    const { projects } = cluster.client;
    const request = { project: Project.fromPartial({ id: "p1" }), requestId: REQUEST_ID };
    const { project } = await projects.createProject(request);
    expect((await projects.createProject(request)).project).toEqual(project);
    const other = { ...request, project: Project.fromPartial({ id: "p2" }) };
    await expect(projects.createProject(other)).rejects.toMatchObject({
      kind: "invalid",
      metadata: expect.objectContaining({ field: "request_id" }) as unknown,
    });
  });

  it("is INVALID_ARGUMENT for less memory than the image needs", async () => {
    await cluster.importTiny("large", 64);
    const spec = { ...GUEST.spec, imageId: "large" } as Guest["spec"];
    const guest = { ...GUEST, id: "small", spec };
    await expect(cluster.client.guests.createGuest({ guest, requestId: "" })).rejects.toThrow(
      /^guest\.spec\.resources\.memory_mib: 32 is not allowed; allowed: at least 64/,
    );
  });
});
