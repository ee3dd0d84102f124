import { describe, expect, it } from "vitest";
import { forEachSeed, type Prng } from "../../testing/prng.js";
import { DevicePacker, type DevicePlace } from "./device-packer.js";
import { type DeviceNode, type DeviceRequest, deviceMilliOf } from "./device-request.js";
import type { NodeLoss } from "./node-loss.js";

const MODELS = ["A", "B"];

describe("the packer of devices", () => {
  it("places exactly what fits, on devices that have room, and never overcommits", () => {
    forEachSeed(40, (prng) => {
      const nodes = someNodes(prng);
      const packer = new DevicePacker(nodes);
      const book = new Book(nodes);
      for (let count = 0; count < 120; count += 1) {
        const request = someRequest(prng);
        const place = packer.decide(request);
        expect(place !== undefined).toBe(book.fitsAnywhere(request));
        if (place === undefined) continue;
        packer.put(request, place);
        book.put(request, place);
        expect(packer.freeMilliOf(place.nodeIndex)).toEqual(book.freeMilliOf(place.nodeIndex));
      }
    });
  });

  it("remembers scores of nodes that did not change, and of no others", () => {
    const seen = { asked: 0 };
    const loss: NodeLoss = {
      of: ({ cpuMillis }, free) => {
        seen.asked += 1;
        return free + cpuMillis / 1e6;
      },
    };
    const packer = new DevicePacker(threeNodes(), () => loss);
    const request = aRequest();
    packer.decide(request);
    const first = seen.asked;
    expect(first).toBeGreaterThan(0);
    const place = packer.decide(request) as DevicePlace;
    expect(seen.asked).toBe(first);
    packer.put(request, place);
    packer.decide(request);
    expect(seen.asked).toBeGreaterThan(first);
    expect(seen.asked).toBeLessThan(2 * first);
  });

  it("gives the same places for the same requests", () => {
    forEachSeed(5, (prng) => {
      const nodes = someNodes(prng);
      const requests = Array.from({ length: 300 }, () => someRequest(prng));
      expect(placesOf(nodes, requests)).toEqual(placesOf(nodes, requests));
    });
  });

  it("gives back what is removed", () => {
    const packer = new DevicePacker(threeNodes());
    const request = aRequest({ deviceCount: 2, deviceMilli: 1000 });
    const before = [0, 1, 2].map((index) => packer.freeMilliOf(index));
    const place = packer.decide(request) as DevicePlace;
    packer.put(request, place);
    expect(packer.freeMilliOf(place.nodeIndex)).not.toEqual(before[place.nodeIndex]);
    packer.remove(request, place);
    expect([0, 1, 2].map((index) => packer.freeMilliOf(index))).toEqual(before);
  });

  it("puts a share where a share already is, and who needs no device where none are", () => {
    const packer = new DevicePacker([...threeNodes(), aNode({ id: "plain", deviceCount: 0 })]);
    const share = aRequest({ deviceMilli: 500 });
    const first = packer.decide(share) as DevicePlace;
    packer.put(share, first);
    expect(packer.decide(share)).toEqual(first);
    expect(packer.decide(aRequest({ deviceCount: 0, deviceMilli: 0 }))?.nodeIndex).toBe(3);
  });

  it("refuses a share of several devices as a bug of the caller", () => {
    const packer = new DevicePacker(threeNodes());
    expect(() => packer.decide(aRequest({ deviceCount: 2, deviceMilli: 500 }))).toThrow(
      "a share is of one device",
    );
  });
});

function aNode(parts: Partial<DeviceNode> = {}): DeviceNode {
  return {
    id: "n",
    cpuMillis: 32_000,
    memoryMib: 65_536,
    deviceCount: 2,
    deviceModel: "A",
    ...parts,
  };
}

function aRequest(parts: Partial<DeviceRequest> = {}): DeviceRequest {
  const size = { cpuMillis: 1000, memoryMib: 1024, deviceCount: 1, deviceMilli: 500 };
  return { ...size, deviceModels: [], ...parts };
}

function threeNodes(): DeviceNode[] {
  return ["a", "b", "c"].map((id) => aNode({ id }));
}

function someNodes(prng: Prng): DeviceNode[] {
  return Array.from({ length: prng.integer(1, 8) }, (_, index) =>
    aNode({
      id: `n${index}`,
      cpuMillis: prng.integer(4, 64) * 1000,
      memoryMib: prng.integer(8, 128) * 1024,
      deviceCount: prng.pick([0, 1, 2, 8]),
      deviceModel: prng.pick(MODELS),
    }),
  );
}

function someRequest(prng: Prng): DeviceRequest {
  const deviceCount = prng.pick([0, 1, 1, 1, 2, 4]);
  const share = prng.pick([100, 300, 470, 810, 1000]);
  const none = deviceCount === 0 ? 0 : 1000;
  return {
    cpuMillis: prng.integer(1, 12) * 1000,
    memoryMib: prng.integer(1, 16) * 1024,
    deviceCount,
    deviceMilli: deviceCount === 1 ? share : none,
    deviceModels: prng.chance(0.3) ? [prng.pick(MODELS)] : [],
  };
}

function placesOf(nodes: readonly DeviceNode[], requests: readonly DeviceRequest[]) {
  const packer = new DevicePacker(nodes);
  return requests.map((request) => {
    const place = packer.decide(request);
    if (place !== undefined) packer.put(request, place);
    return place;
  });
}

interface Free {
  cpuMillis: number;
  memoryMib: number;
  readonly milli: number[];
}

/** The plainest account of what is free. */
class Book {
  readonly #free: Free[];

  constructor(private readonly nodes: readonly DeviceNode[]) {
    this.#free = nodes.map(({ cpuMillis, memoryMib, deviceCount }) => {
      return { cpuMillis, memoryMib, milli: new Array<number>(deviceCount).fill(1000) };
    });
  }

  fitsAnywhere(request: DeviceRequest): boolean {
    return this.nodes.some((node, index) => {
      const free = this.#free[index] as Free;
      const { deviceCount, deviceMilli, deviceModels } = request;
      const isModel = deviceCount === 0 || deviceModels.length === 0;
      const fitting = free.milli.filter((each) => each >= deviceMilli).length;
      return (
        free.cpuMillis >= request.cpuMillis &&
        free.memoryMib >= request.memoryMib &&
        fitting >= deviceCount &&
        (isModel || deviceModels.includes(node.deviceModel))
      );
    });
  }

  put(request: DeviceRequest, { nodeIndex, devices }: DevicePlace): void {
    const free = this.#free[nodeIndex] as Free;
    free.cpuMillis -= request.cpuMillis;
    free.memoryMib -= request.memoryMib;
    expect(new Set(devices).size * request.deviceMilli).toBe(deviceMilliOf(request));
    for (const device of devices) {
      const left = (free.milli[device] ?? 0) - request.deviceMilli;
      expect(left).toBeGreaterThanOrEqual(0);
      free.milli[device] = left;
    }
    expect(Math.min(free.cpuMillis, free.memoryMib)).toBeGreaterThanOrEqual(0);
  }

  freeMilliOf(nodeIndex: number): readonly number[] {
    return this.#free[nodeIndex]?.milli ?? [];
  }
}
