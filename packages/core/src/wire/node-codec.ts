/** Nodes on the wire: their resources, abilities and how they introduce themselves. */
import type { JoinNodeRequest } from "@innkeeper/proto/innkeeper/agent/v1/registry_service";
import type {
  ModeAbility as ProtoAbility,
  NodeTemplate as ProtoTemplate,
} from "@innkeeper/proto/innkeeper/v1/node";
import type { Resources as ProtoResources } from "@innkeeper/proto/innkeeper/v1/resources";
import { invalidField } from "../domain/errors.js";
import { ACCELERATIONS, ENGINE_NAMES, MODES, type ModeAbility } from "../domain/mode.js";
import { parseLabels, parseName, parseUuid } from "../domain/names.js";
import { NO_RESOURCES, type Resources } from "../domain/resources.js";
import { NODE_TEMPLATES_MAX, type NodeTemplate } from "../domain/template.js";
import type { NodeIntroduction } from "../ports/controller-client.js";
import { parseDataDisks } from "./disks-codec.js";
import { MODE_TO_PROTO, parseEnum, parseOneOf } from "./enums.js";
import { COMMAND_LINE_LENGTH_MAX, DISK_MIB_MAX } from "./image-codec.js";
import { parseBridge, parseIpAddress } from "./network-codec.js";
import { cleanText, parseInteger, parsePrintable, parseSha256, type Range } from "./numbers.js";

/** Amounts beyond this are surely a mistake, and sums of many still fit a double. */
const AMOUNT_MAX = 2 ** 40;
const START_MS = { min: 0, max: 3_600_000 };
const LIST_MAX = 64;
const TEXT_LENGTH_MAX = 500;
const ADDRESS = /^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]{1,253}):([1-9][0-9]{0,4})$/;

/** @throws `invalid` naming the field. An unset message is all zero. */
export function parseResources(
  field: string,
  proto: ProtoResources | undefined,
  range: Range = { min: 0, max: AMOUNT_MAX },
): Resources {
  const { cpuMillis, memoryMib, diskMib } = proto ?? NO_RESOURCES;
  return {
    cpuMillis: parseInteger(`${field}.cpu_millis`, cpuMillis, range),
    memoryMib: parseInteger(`${field}.memory_mib`, memoryMib, range),
    diskMib: parseInteger(`${field}.disk_mib`, diskMib, range),
  };
}

export function introductionToProto(node: NodeIntroduction): JoinNodeRequest {
  const { id: nodeId, address, labels, capacity, reserve, overcommitPercent, incarnation } = node;
  return {
    nodeId,
    address,
    labels: { ...labels },
    capacity,
    reserve,
    overcommitPercent,
    abilities: node.abilities.map(abilityToProto),
    problems: [...node.problems],
    incarnation,
    forwardHost: node.forwardHost ?? "",
    bridge: node.bridge ?? "",
    templates: (node.templates ?? []).map(templateToProto),
  };
}

/** @throws `invalid` when it is not host:port. */
export function parseAddress(field: string, value: string): string {
  if (!ADDRESS.test(value)) throw invalidField(field, value, "host:port");
  return value;
}

export function parseIntroduction(proto: JoinNodeRequest): NodeIntroduction {
  if (proto.abilities.length > LIST_MAX || proto.problems.length > LIST_MAX) {
    throw invalidField("abilities", proto.abilities.length, `at most ${LIST_MAX}`);
  }
  return {
    id: parseName("node_id", proto.nodeId),
    address: parseAddress("address", proto.address),
    labels: parseLabels("labels", proto.labels),
    capacity: parseResources("capacity", proto.capacity),
    reserve: parseResources("reserve", proto.reserve),
    overcommitPercent: parseResources("overcommit_percent", proto.overcommitPercent, {
      min: 100,
      max: 10_000,
    }),
    abilities: proto.abilities.map(parseAbility),
    problems: proto.problems.map((each) => cleanText(each, TEXT_LENGTH_MAX)),
    incarnation: parseUuid("incarnation", proto.incarnation),
    ...(proto.forwardHost === ""
      ? {}
      : { forwardHost: parseIpAddress("forward_host", proto.forwardHost) }),
    ...parseTemplates("templates", proto.templates),
    ...(proto.bridge === "" ? {} : { bridge: parseBridge("bridge", proto.bridge) }),
  };
}

export function abilityToProto(ability: ModeAbility): ProtoAbility {
  return {
    engine: ability.engine,
    engineVersion: ability.engineVersion,
    mode: MODE_TO_PROTO[ability.mode],
    acceleration: ability.acceleration,
    liveMigration: ability.canLiveMigrate,
    pause: ability.canPause,
    setCpu: ability.canSetCpu,
    setMemory: ability.canSetMemory,
    forward: ability.canForward === true,
    attachDisks: ability.canAttachDisks ?? false,
    growDisks: ability.canGrowDisks ?? false,
    snapshot: ability.canSnapshot ?? false,
    snapshotMemory: ability.canSnapshotMemory ?? false,
    limitNetwork: ability.canLimitNetwork ?? false,
    startMs: ability.startMs ?? 0,
  };
}

function parseAbility(proto: ProtoAbility, index: number): ModeAbility {
  const field = `abilities[${index}]`;
  return {
    engine: parseOneOf(`${field}.engine`, proto.engine, ENGINE_NAMES),
    engineVersion: parsePrintable(`${field}.engine_version`, proto.engineVersion, 64),
    mode: parseOneOf(`${field}.mode`, parseEnum(`${field}.mode`, proto.mode, MODE_TO_PROTO), MODES),
    acceleration: parseOneOf(`${field}.acceleration`, proto.acceleration, ACCELERATIONS),
    canLiveMigrate: proto.liveMigration,
    canPause: proto.pause,
    canSetCpu: proto.setCpu,
    canSetMemory: proto.setMemory,
    ...(proto.forward ? { canForward: true } : {}),
    canAttachDisks: proto.attachDisks,
    canGrowDisks: proto.growDisks,
    canSnapshot: proto.snapshot,
    canSnapshotMemory: proto.snapshotMemory,
    ...(proto.limitNetwork ? { canLimitNetwork: true } : {}),
    startMs: parseInteger(`${field}.start_ms`, proto.startMs, START_MS) || undefined,
  };
}

export function templateToProto(template: NodeTemplate): ProtoTemplate {
  const dataDisks = (template.dataDisks ?? []).map((each) => ({ ...each }));
  return { ...template, dataDisks, mode: MODE_TO_PROTO[template.mode] };
}

function parseTemplates(
  field: string,
  proto: readonly ProtoTemplate[],
): Pick<NodeIntroduction, "templates"> {
  if (proto.length > NODE_TEMPLATES_MAX) {
    throw invalidField(field, proto.length, `at most ${NODE_TEMPLATES_MAX}`);
  }
  if (proto.length === 0) return {};
  return { templates: proto.map((each, index) => parseTemplate(`${field}[${index}]`, each)) };
}

function parseTemplate(field: string, proto: ProtoTemplate): NodeTemplate {
  const amount = (name: string, value: number, range: Range): number =>
    parseInteger(`${field}.${name}`, value, range);
  const dataDisks = parseDataDisks(`${field}.data_disks`, proto.dataDisks);
  return {
    engine: parseOneOf(`${field}.engine`, proto.engine, ENGINE_NAMES),
    mode: parseOneOf(`${field}.mode`, parseEnum(`${field}.mode`, proto.mode, MODE_TO_PROTO), MODES),
    imageDigest: parseSha256(`${field}.image_digest`, proto.imageDigest),
    vcpuCount: amount("vcpu_count", proto.vcpuCount, { min: 1, max: 1024 }),
    memoryMib: amount("memory_mib", proto.memoryMib, { min: 1, max: AMOUNT_MAX }),
    diskMib: amount("disk_mib", proto.diskMib, { min: 0, max: DISK_MIB_MAX }),
    ...(dataDisks.length > 0 ? { dataDisks } : {}),
    commandLine: parsePrintable(
      `${field}.command_line`,
      proto.commandLine,
      COMMAND_LINE_LENGTH_MAX,
    ),
    startMs: amount("start_ms", proto.startMs, { min: 1, max: START_MS.max }),
  };
}
