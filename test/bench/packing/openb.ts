/**
 * Reads the openb trace (`alibaba/clusterdata`, `cluster-trace-gpu-v2023`): nodes and requests, and
 * draws the stream of requests of one run from them.
 */
import { readFileSync } from "node:fs";
import {
  type DeviceNode,
  type DeviceRequest,
  deviceMilliOf,
  WHOLE_DEVICE_MILLI,
} from "@innkeeper/core";
import { Prng } from "@innkeeper/core/testing";

export const NODE_LIST = "openb_node_list_all_node.csv";
export const DEFAULT_LIST = "openb_pod_list_default.csv";
/** Requests come until they ask for this much of the cluster's devices. */
const ASKED_SHARE = 1.3;

export function readNodes(file: string): readonly DeviceNode[] {
  return rowsOf(file).map((row) => ({
    id: row.text("sn"),
    cpuMillis: row.integer("cpu_milli"),
    memoryMib: row.integer("memory_mib"),
    deviceCount: row.integer("gpu"),
    deviceModel: row.text("model"),
  }));
}

export function readRequests(file: string): readonly DeviceRequest[] {
  return rowsOf(file).map((row) => {
    const deviceCount = row.integer("num_gpu");
    const models = row.text("gpu_spec");
    return {
      cpuMillis: row.integer("cpu_milli"),
      memoryMib: row.integer("memory_mib"),
      deviceCount,
      deviceMilli: deviceCount === 1 ? row.integer("gpu_milli") : wholeOrNone(deviceCount),
      deviceModels: models === "" ? [] : models.split("|"),
    };
  });
}

/** In an order shuffled by the seed, the list over again when it ends. */
export function streamOf(
  list: readonly DeviceRequest[],
  nodes: readonly DeviceNode[],
  seed: number,
): readonly DeviceRequest[] {
  const prng = new Prng(seed);
  const wanted = ASKED_SHARE * devicesMilli(nodes);
  const stream: DeviceRequest[] = [];
  for (let asked = 0; asked < wanted; ) {
    for (const request of prng.shuffle(list)) {
      if (asked >= wanted) break;
      stream.push(request);
      asked += deviceMilliOf(request);
    }
  }
  return stream;
}

export function devicesMilli(nodes: readonly DeviceNode[]): number {
  return nodes.reduce((sum, { deviceCount }) => sum + deviceCount * WHOLE_DEVICE_MILLI, 0);
}

function wholeOrNone(deviceCount: number): number {
  return deviceCount === 0 ? 0 : WHOLE_DEVICE_MILLI;
}

class Row {
  constructor(
    private readonly where: string,
    private readonly fields: ReadonlyMap<string, string>,
  ) {}

  text(column: string): string {
    const value = this.fields.get(column);
    if (value === undefined) throw new Error(`${this.where} has no column ${column}`);
    return value;
  }

  integer(column: string): number {
    const text = this.text(column);
    if (/^\d+$/.test(text)) return Number(text);
    throw new Error(`${this.where}: ${column} is ${JSON.stringify(text)}, not an integer`);
  }
}

/** The lists have no quotes and no commas within fields. */
function rowsOf(file: string): readonly Row[] {
  const [head = "", ...lines] = readFileSync(file, "utf8").trim().split(/\r?\n/);
  const columns = head.split(",");
  return lines.map((line, index) => {
    const cells = line.split(",");
    const fields = new Map(columns.map((column, at) => [column, cells[at] ?? ""]));
    return new Row(`${file}:${index + 2}`, fields);
  });
}
