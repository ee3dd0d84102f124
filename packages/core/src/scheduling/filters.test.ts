import { describe, expect, it } from "vitest";
import type { ModeAbility } from "../domain/mode.js";
import { NO_NEEDS } from "../domain/needs.js";
import { NO_RULES } from "../domain/placement-rules.js";
import { aNode } from "../testing/builders.js";
import { type NodeView, type PlacementRequest, rejections, usableAbilities } from "./filters.js";

const ABILITY = aNode().abilities[0] as ModeAbility;
const REQUEST: PlacementRequest = {
  guestUid: "g",
  projectId: "p",
  labels: {},
  rules: NO_RULES,
  resources: { cpuMillis: 1000, memoryMib: 256, diskMib: 10 },
  mode: "auto",
  imageKind: "linux",
  needs: NO_NEEDS,
  nodeId: "",
  migratingFrom: undefined,
};

describe("rejections", () => {
  it("has none for a node that can take the guest to the last MiB", () => {
    const allocated = { cpuMillis: 7000, memoryMib: 16_128, diskMib: 102_390 };
    expect(rejections(REQUEST, { node: aNode(), allocated })).toEqual([]);
  });

  it("names need and have of each resource that lacks", () => {
    const allocated = { cpuMillis: 7001, memoryMib: 16_129, diskMib: 102_391 };
    expect(rejections(REQUEST, { node: aNode(), allocated })).toEqual([
      lacking("cpuMillis", 1000, 999),
      lacking("memoryMib", 256, 255),
      lacking("diskMib", 10, 9),
    ]);
  });

  it("does not ask for what the guest does not need, even when too much of it is allocated", () => {
    const allocated = { cpuMillis: 0, memoryMib: 99_999, diskMib: 999_999 };
    const resources = { ...REQUEST.resources, diskMib: 0 };
    expect(rejections({ ...REQUEST, resources }, { node: aNode(), allocated })).toEqual([
      lacking("memoryMib", 256, 0),
    ]);
  });

  it("names every obstacle of a node, not only the first", () => {
    const node = aNode({
      state: "unreachable",
      isCordoned: true,
      abilities: [],
      capacity: { cpuMillis: 0, memoryMib: 0, diskMib: 0 },
    });
    const found = rejections({ ...REQUEST, nodeId: "n2" }, viewOf({ node }));
    expect(found.map((each) => each.filter)).toEqual([
      "readiness",
      "cordon",
      "node",
      "mode",
      "cpuMillis",
      "memoryMib",
      "diskMib",
    ]);
    for (const each of found) expect(each.nodeId).toBe("n1");
  });

  it("says which modes are wanted and offered", () => {
    const node = aNode({ abilities: [ABILITY] });
    const [found] = rejections({ ...REQUEST, mode: "container" }, viewOf({ node }));
    expect(found?.message).toBe("needs mode container for a linux image, node offers hybrid");
  });

  it("does not move a guest to where it is", () => {
    const request = { ...REQUEST, migratingFrom: { nodeId: "n1", ability: ABILITY } };
    const [found] = rejections(request, viewOf({ node: aNode() }));
    expect(found).toMatchObject({ filter: "node", message: "the guest is there already" });
  });
});

describe("the network of a guest", () => {
  const leading = aNode({ abilities: [{ ...ABILITY, canForward: true }] });
  const toldOf = (request: Partial<PlacementRequest>, node: NodeView["node"]) =>
    rejections({ ...REQUEST, ...request }, viewOf({ node })).map(
      ({ filter, message }) => `${filter}: ${message}`,
    );

  it("needs ports only where a mode leads them to guests", () => {
    expect(toldOf({ ports: ["tcp/22"] }, leading)).toEqual([]);
    expect(toldOf({ ports: [] }, aNode({ abilities: [ABILITY] }))).toEqual([]);
    expect(toldOf({ ports: ["tcp/22"] }, aNode({ abilities: [ABILITY] }))).toEqual([
      "port: it leads no ports to guests in mode hybrid",
    ]);
  });

  it("needs its rate limited only where a mode can do that", () => {
    const limiting = aNode({ abilities: [{ ...ABILITY, canLimitNetwork: true }] });
    expect(toldOf({ limitsNetwork: true }, limiting)).toEqual([]);
    expect(toldOf({ limitsNetwork: false }, leading)).toEqual([]);
    expect(toldOf({ limitsNetwork: true }, leading)).toEqual([
      "bridge: it limits no network rates of guests in mode hybrid",
    ]);
  });

  it("needs ports that nobody else holds there, and tells who does", () => {
    const heldPorts = new Map([["n1", "tcp/22 is held by default/a"]]);
    expect(toldOf({ ports: ["tcp/22"], heldPorts }, leading)).toEqual([
      "port: tcp/22 is held by default/a",
    ]);
    expect(toldOf({ ports: ["tcp/22"], heldPorts }, { ...leading, id: "n2" })).toEqual([]);
  });

  it("needs a bridge only where it is to be on one", () => {
    expect(toldOf({ isBridged: true }, leading)).toEqual(["bridge: it offers no bridge"]);
    expect(toldOf({ isBridged: true }, { ...leading, bridge: "br0" })).toEqual([]);
    expect(toldOf({ isBridged: false }, leading)).toEqual([]);
  });
});

describe("usableAbilities", () => {
  it("offers the least emulation first, and only what boots the image", () => {
    const modes = usableAbilities(REQUEST, aNode()).map((each) => each.mode);
    expect(modes).toEqual(["paravirt", "hybrid"]);
  });

  it("moves a running guest only to the very same way of running it", () => {
    const request = { ...REQUEST, migratingFrom: { nodeId: "n0", ability: ABILITY } };
    const usableWith = (overrides: Partial<ModeAbility>): number =>
      usableAbilities(request, aNode({ abilities: [{ ...ABILITY, ...overrides }] })).length;
    expect(usableWith({})).toBe(1);
    expect(usableWith({ canLiveMigrate: false })).toBe(0);
    expect(usableWith({ mode: "paravirt" })).toBe(0);
    expect(usableWith({ engine: "qemu" })).toBe(0);
    expect(usableWith({ engineVersion: "2" })).toBe(0);
    expect(usableWith({ acceleration: "kvm" })).toBe(0);
  });
});

function viewOf({ node }: Pick<NodeView, "node">): NodeView {
  return { node, allocated: { cpuMillis: 0, memoryMib: 0, diskMib: 0 } };
}

function lacking(filter: string, need: number, have: number): unknown {
  return { nodeId: "n1", filter, message: `needs ${need}, has ${have} left`, need, have };
}
