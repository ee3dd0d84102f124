import { claimsOf, type Guest, type PortForward, portName } from "@innkeeper/core";
import { aGuest, anImage, aPlacement, Prng, SeededIdSource } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { aBench, type CommandBench } from "../testing/command-bench.js";
import { createGuest } from "./create-guest.js";
import { portCounters, releasedNetwork } from "./guest-network.js";

const TO_SSH = { protocol: "tcp", hostPort: 0, guestPort: 22 } as const;

async function create(
  bench: CommandBench,
  id: string,
  ...[forwards = [], more = {}]: [(readonly PortForward[])?, { readonly isBridged?: true }?]
) {
  const { spec, projectId, labels } = aGuest({ spec: { imageId: "tiny" } });
  await createGuest(bench, {
    projectId,
    id,
    labels,
    spec: { ...spec, forwards, ...more },
    requestId: "",
  });
  return bench.guest(id);
}

describe("what a guest gets of the network", () => {
  it("is a locally administered address of one host, which it keeps", async () => {
    const { status } = await create(await aBench(), "a");
    expect(status.network?.macAddress).toMatch(/^52:54(:[0-9a-f]{2}){4}$/);
  });

  it("is a port of the range for each forward that names none", async () => {
    const named = { protocol: "udp", hostPort: 53, guestPort: 5353 } as const;
    const { spec } = await create(await aBench(), "a", [TO_SSH, TO_SSH, named]);
    const [one, two, three] = spec.forwards ?? [];
    for (const each of [one, two]) {
      expect(each?.hostPort).toBeGreaterThanOrEqual(30_000);
      expect(each?.hostPort).toBeLessThanOrEqual(32_767);
    }
    expect(one?.hostPort).not.toBe(two?.hostPort);
    expect(three).toEqual(named);
  });

  it("is an address on a bridge for a container as for others", async () => {
    const bench = await aBench({ images: [anImage({ id: "tiny", manifest: { kind: "rootfs" } })] });
    await create(bench, "a", [], { isBridged: true });
    expect(bench.guest("a").status.network?.ipAddress).toMatch(/^10\.77\.[0-9.]+\/16$/);
  });

  it("is never the same for two guests, though chance gives the same again and again", async () => {
    for (let number = 1; number <= 20; number += 1) {
      const prng = new Prng(number);
      const bench = await aBench();
      // Few values: chance repeats itself, as it would among very many guests.
      Object.assign(bench, { ids: new FewValues(prng) });
      const guests: Guest[] = [];
      for (const id of ["a", "b", "c"]) {
        const created = await create(bench, id, [TO_SSH]).catch(() => undefined);
        if (created) guests.push(created);
      }
      expect(guests.length).toBeGreaterThan(0);
      const claims = guests.flatMap(claimsOf);
      expect(new Set(claims).size).toBe(claims.length);
      const counters = Object.entries(await bench.counters());
      const held = counters.filter(([key, value]) => key.startsWith("claim/") && value > 0);
      expect(held.map(([key]) => key).sort()).toEqual(claims.map((each) => `claim/${each}`).sort());
    }
  });
});

describe("an address on a bridge", () => {
  const BRIDGED = { isBridged: true } as const;

  it("is given to one guest, until there are none", async () => {
    const bench = await aBench();
    Object.assign(bench, { bridgeSubnet: "10.0.0.0/29" });
    const given = [];
    for (const id of ["a", "b", "c", "d", "e"]) {
      given.push((await create(bench, id, [], BRIDGED)).status.network?.ipAddress);
    }
    const expected = [2, 3, 4, 5, 6].map((last) => `10.0.0.${last}/29`);
    expect(given.toSorted()).toEqual(expected);
    await expect(create(bench, "f", [], BRIDGED)).rejects.toMatchObject({
      kind: "capacity",
      reason: "ADDRESSES_EXHAUSTED",
    });
  });

  it("is not given where no bridge is asked for, and needs no forwards", async () => {
    const bench = await aBench();
    expect((await create(bench, "a")).status.network).not.toHaveProperty("ipAddress");
    await expect(create(bench, "b", [TO_SSH], BRIDGED)).rejects.toThrow("none on a bridge");
  });
});

class FewValues extends SeededIdSource {
  constructor(private readonly prng: Prng) {
    super(prng.next32());
  }

  override random32(): number {
    return this.prng.integer(0, 5);
  }
}

describe("what a guest holds", () => {
  const forwards = [{ protocol: "tcp", hostPort: 2222, guestPort: 22 } as const];
  const guest = aGuest({ spec: { forwards } });
  const on = (nodeId: string): Guest => ({
    ...guest,
    status: { ...guest.status, placement: aPlacement({ nodeId }) },
  });

  it("is each of its ports once on its node", () => {
    expect(portCounters(guest.spec, "n1")).toEqual([
      { key: "node/n1/port/tcp/2222", delta: 1, max: 1 },
    ]);
  });

  it("is given back when it leaves a node, and all of it when it is gone", () => {
    expect(releasedNetwork(on("n1"), on("n1"))).toEqual([]);
    expect(releasedNetwork(on("n1"), on("n2")).map(({ key }) => key)).toEqual([
      "node/n1/port/tcp/2222",
    ]);
    const network = { macAddress: "52:54:00:00:00:01" };
    const assigned = [{ ...forwards[0], isAssigned: true as const }];
    const named = { ...on("n1"), spec: { ...guest.spec, forwards: assigned as PortForward[] } };
    const gone = { ...named, status: { ...named.status, network } };
    expect(releasedNetwork(gone, undefined).map(({ key, delta }) => [key, delta])).toEqual([
      ["claim/mac/52:54:00:00:00:01", -1],
      ["claim/tcp/2222", -1],
      ["node/n1/port/tcp/2222", -1],
    ]);
    expect(portName(forwards[0] as PortForward)).toBe("tcp/2222");
  });
});
