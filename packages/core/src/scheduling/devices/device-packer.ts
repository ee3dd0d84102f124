/**
 * Packs requests onto nodes with devices: each goes where it adds least to the loss of the cluster
 * (`node-loss.ts`), over all nodes. What is needed to know is learned from the requests as they
 * come. Deterministic: the same nodes and requests give the same places.
 */
import { assert } from "../../domain/assert.js";
import { type AskedFor, fitOn, wholeDevices } from "./device-fit.js";
import { DeviceModels } from "./device-models.js";
import {
  assertRequest,
  DEVICES_PER_NODE_MAX,
  type DeviceNode,
  type DeviceRequest,
  type DeviceState,
  WHOLE_DEVICE_MILLI,
} from "./device-request.js";
import { DeviceShapes } from "./device-shapes.js";
import { learnLoss } from "./learn-loss.js";
import { lossOf, type NodeLoss } from "./node-loss.js";

/** Where a request goes. */
export interface DevicePlace {
  readonly nodeIndex: number;
  /** Which of the node's devices; empty for none. */
  readonly devices: readonly number[];
}

/** The loss is learned anew after so many arrivals, then whenever they have doubled… */
const FIRST_LESSON = 50;
/** …and at least after so many more. */
const LESSON_EVERY_MAX = 2000;

/** How much the loss grows with one shape, node by node, as of a version of each node. */
interface ShapeScores {
  readonly growth: Float64Array;
  /** Of a share: the device that is best. */
  readonly device: Int8Array;
  readonly version: Int32Array;
}

export class DevicePacker {
  readonly #states: readonly DeviceState[];
  readonly #models = new DeviceModels();
  readonly #shapes = new DeviceShapes(this.#models);
  /** Counts the changes of each node. */
  readonly #versions: Int32Array;
  readonly #losses: Float64Array;
  readonly #lossVersions: Int32Array;
  readonly #scores: ShapeScores[] = [];
  #loss: NodeLoss;
  #nextLesson = FIRST_LESSON;

  /** @param learn what the loss is, given the requests so far */
  constructor(
    readonly nodes: readonly DeviceNode[],
    private readonly learn: (shapes: DeviceShapes) => NodeLoss = learnLoss,
  ) {
    this.#loss = learn(this.#shapes);
    this.#states = nodes.map((node) => this.#stateOf(node));
    this.#versions = new Int32Array(nodes.length);
    this.#losses = new Float64Array(nodes.length);
    this.#lossVersions = new Int32Array(nodes.length).fill(-1);
  }

  /** Learns that it came, and says where it goes; undefined when it fits nowhere. Takes nothing. */
  decide(request: DeviceRequest): DevicePlace | undefined {
    assertRequest(request);
    const shape = this.#shapes.arrive(request);
    if (this.#shapes.arrivalCount === this.#nextLesson) this.#learn();
    const scores = this.#scoresOf(shape);
    const asked = { ...request, models: this.#models.bitsOf(request.deviceModels) };
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    for (let index = 0; index < this.#states.length; index += 1) {
      if (scores.version[index] !== this.#versions[index]) this.#score(index, asked, scores);
      const growth = scores.growth[index] as number;
      if (growth >= least) continue;
      least = growth;
      best = index;
    }
    if (best < 0) return undefined;
    return { nodeIndex: best, devices: this.#devicesOn(best, request, scores) };
  }

  put(request: DeviceRequest, place: DevicePlace): void {
    this.#change(request, place, -1);
  }

  remove(request: DeviceRequest, place: DevicePlace): void {
    this.#change(request, place, 1);
  }

  /** Free thousandths of each device of a node. */
  freeMilliOf(nodeIndex: number): readonly number[] {
    const { freeMilli, deviceCount } = this.#stateAt(nodeIndex);
    return [...freeMilli.subarray(0, deviceCount)];
  }

  #stateOf({ cpuMillis, memoryMib, deviceCount, deviceModel }: DeviceNode): DeviceState {
    assert(deviceCount <= DEVICES_PER_NODE_MAX, "a node has at most 16 devices");
    const freeMilli = new Int32Array(DEVICES_PER_NODE_MAX);
    freeMilli.fill(WHOLE_DEVICE_MILLI, 0, deviceCount);
    const model = this.#models.bitsOf([deviceModel]);
    return { cpuMillis, memoryMib, model, deviceCount, freeMilli };
  }

  #stateAt(nodeIndex: number): DeviceState {
    const state = this.#states[nodeIndex];
    assert(state, "the node is one of the packer's");
    return state;
  }

  #learn(): void {
    this.#loss = this.learn(this.#shapes);
    this.#nextLesson += Math.min(this.#nextLesson, LESSON_EVERY_MAX);
    for (const scores of this.#scores) scores?.version.fill(-1);
    this.#lossVersions.fill(-1);
  }

  #scoresOf(shape: number): ShapeScores {
    const count = this.nodes.length;
    this.#scores[shape] ??= {
      growth: new Float64Array(count),
      device: new Int8Array(count),
      version: new Int32Array(count).fill(-1),
    };
    return this.#scores[shape];
  }

  #score(index: number, request: AskedFor, scores: ShapeScores): void {
    const state = this.#states[index] as DeviceState;
    const fit = fitOn(state, request, this.#loss);
    scores.version[index] = this.#versions[index] as number;
    scores.device[index] = fit.device;
    const fits = fit.loss < Number.POSITIVE_INFINITY;
    scores.growth[index] = fits ? fit.loss - this.#lossOf(index) : fit.loss;
  }

  #lossOf(index: number): number {
    const version = this.#versions[index] as number;
    if (this.#lossVersions[index] !== version) {
      this.#losses[index] = lossOf(this.#loss, this.#states[index] as DeviceState);
      this.#lossVersions[index] = version;
    }
    return this.#losses[index] as number;
  }

  #devicesOn(index: number, request: DeviceRequest, scores: ShapeScores): readonly number[] {
    const { deviceCount, deviceMilli } = request;
    if (deviceCount === 0) return [];
    if (deviceMilli < WHOLE_DEVICE_MILLI) return [scores.device[index] as number];
    return wholeDevices(this.#stateAt(index), deviceCount);
  }

  #change(request: DeviceRequest, { nodeIndex, devices }: DevicePlace, sign: 1 | -1): void {
    const state = this.#stateAt(nodeIndex);
    assert(devices.length === request.deviceCount, "a place has the devices that are asked for");
    state.cpuMillis += sign * request.cpuMillis;
    state.memoryMib += sign * request.memoryMib;
    for (const device of devices) {
      const free = (state.freeMilli[device] ?? 0) + sign * request.deviceMilli;
      assert(free >= 0 && free <= WHOLE_DEVICE_MILLI, "a device is taken once at most");
      state.freeMilli[device] = free;
    }
    assert(state.cpuMillis >= 0 && state.memoryMib >= 0, "a node is not overcommitted");
    this.#versions[nodeIndex] = (this.#versions[nodeIndex] ?? 0) + 1;
  }
}
