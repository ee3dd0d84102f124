/**
 * How full a cluster with devices becomes: the openb trace by its published method. Requests are
 * drawn from a list, in an order shuffled by the seed, until they ask for 130 % of the cluster's
 * GPUs; nothing leaves; a request that fits nowhere is skipped. The figure is the share of all GPUs
 * that is allocated at the end, the mean over the seeds 42 to 51. FGD knows the list beforehand, as
 * in its paper; ours learns while the requests come.
 */
import { existsSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import {
  type DeviceNode,
  DevicePacker,
  type DeviceRequest,
  DeviceShapes,
  deviceMilliOf,
  UnusableLoss,
} from "@innkeeper/core";
import { Prng } from "@innkeeper/core/testing";
import { againstBaseline, type Bench, type BenchResult } from "../report.js";
import { median, rounded } from "../statistics.js";
import {
  atRandom,
  bestFit,
  dotProduct,
  largestOf,
  type PlainNode,
  type PlainScore,
  placePlainly,
  plainNode,
} from "./baselines.js";
import {
  DEFAULT_LIST,
  devicesMilli,
  NODE_LIST,
  readNodes,
  readRequests,
  streamOf,
} from "./openb.js";
import { measurePlain } from "./plain-guests.js";

const SEEDS = Array.from({ length: 10 }, (_, index) => 42 + index);
const USAGE = "npm run bench -- packing DATA_FOLDER [--list FILE]";

interface Case {
  readonly nodes: readonly DeviceNode[];
  readonly list: readonly DeviceRequest[];
  readonly seed: number;
}

/** Places one request after another; false = it fits nowhere. */
type Policy = (parts: Case) => (request: DeviceRequest) => boolean;

const POLICIES: Readonly<Record<string, Policy>> = {
  random: ({ nodes, seed }) => plainly(nodes, () => atRandom(new Prng(seed))),
  "dot-product": ({ nodes }) => plainly(nodes, dotProduct),
  "best-fit": ({ nodes }) => plainly(nodes, bestFit),
  fgd: ({ nodes, list }) => packingWith(new DevicePacker(nodes, fragmentationOf(list))),
  innkeeper: ({ nodes }) => packingWith(new DevicePacker(nodes)),
};

export const packing: Bench = {
  name: "packing",
  about: "share of GPUs allocated on a real trace, and nodes for plain guests, against peers",
  run: (say) => Promise.resolve(measure(say)),
};

function measure(say: (line: string) => void): BenchResult[] {
  const [folder, list] = filesFrom(process.argv.slice(3));
  const nodes = readNodes(path.join(folder, NODE_LIST));
  const requests = readRequests(list);
  const shares = new Map<string, number>();
  const results: BenchResult[] = [];
  for (const [name, policy] of Object.entries(POLICIES)) {
    say(`${name}: ${SEEDS.length} seeds`);
    const { percent, perSecond } = measurePolicy(policy, nodes, requests);
    shares.set(name, percent);
    results.push(allocated(name, percent, shares.get("fgd")));
    results.push({ name: `decisions-per-second:${name}`, value: perSecond, unit: "decisions/s" });
  }
  say("plain guests, processors and memory only");
  return [...results, ...measurePlain(requests)];
}

function allocated(policy: string, percent: number, fgd: number | undefined): BenchResult {
  const result = { name: `gpu-allocated-percent:${policy}`, value: percent, unit: "%" };
  return fgd === undefined || policy === "fgd"
    ? result
    : againstBaseline({ ...result, baseline: fgd });
}

function measurePolicy(
  policy: Policy,
  nodes: readonly DeviceNode[],
  list: readonly DeviceRequest[],
): { readonly percent: number; readonly perSecond: number } {
  const runs = SEEDS.map((seed) => {
    const stream = streamOf(list, nodes, seed);
    const place = policy({ nodes, list, seed });
    const before = process.cpuUsage();
    const placed = stream.filter(place);
    const { user, system } = process.cpuUsage(before);
    const taken = placed.reduce((sum, request) => sum + deviceMilliOf(request), 0);
    const percent = (100 * taken) / devicesMilli(nodes);
    return { percent, perSecond: (stream.length * 1e6) / (user + system) };
  });
  const mean = runs.reduce((sum, { percent }) => sum + percent, 0) / runs.length;
  const perSecond = Math.round(median(runs.map((each) => each.perSecond)));
  return { percent: rounded(mean, 2), perSecond };
}

function plainly(nodes: readonly DeviceNode[], scoreFor: (largest: PlainNode) => PlainScore) {
  const plain = nodes.map(plainNode);
  const score = scoreFor(largestOf(plain));
  return (request: DeviceRequest): boolean => placePlainly(plain, request, score);
}

function packingWith(packer: DevicePacker) {
  return (request: DeviceRequest): boolean => {
    const place = packer.decide(request);
    if (place !== undefined) packer.put(request, place);
    return place !== undefined;
  };
}

/** What FGD learns: all of the list, before the first request comes. */
function fragmentationOf(list: readonly DeviceRequest[]) {
  let loss: UnusableLoss | undefined;
  return ({ known }: DeviceShapes): UnusableLoss => {
    if (loss !== undefined) return loss;
    const shapes = new DeviceShapes(known);
    for (const request of list) shapes.arrive(request);
    loss = new UnusableLoss(shapes);
    return loss;
  };
}

/** @throws Error that says what is missing */
function filesFrom(args: readonly string[]): readonly [folder: string, list: string] {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { list: { type: "string" } },
    allowPositionals: true,
  });
  const [folder] = positionals;
  if (folder === undefined) throw new Error(`usage: ${USAGE}`);
  const named = values.list;
  const isPath = named !== undefined && existsSync(named);
  const list = isPath ? named : path.join(folder, named ?? DEFAULT_LIST);
  for (const file of [path.join(folder, NODE_LIST), list]) {
    if (!existsSync(file)) throw new Error(`${file} is not there; usage: ${USAGE}`);
  }
  return [folder, list];
}
