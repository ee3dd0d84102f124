import {
  guestKey,
  NO_NEEDS,
  NO_RULES,
  type NodeView,
  type PlacementRequest,
  recordKey,
  type Transaction,
} from "@innkeeper/core";
import {
  aGuest,
  aNode,
  aNodeReport,
  aTransaction,
  FakeClock,
  forEachSeedAsync,
  MemoryDisk,
  MemoryStateStore,
  type Prng,
} from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { Mirror } from "../mirror/mirror.js";
import { NodeSessions } from "../sessions/node-sessions.js";
import { NodeViews } from "./node-views.js";

const LEASE_MS = 1000;

describe("NodeViews", () => {
  it("equals the mirror after any changes (V1)", async () => {
    await forEachSeedAsync(20, async (prng) => {
      const { clock, store, mirror } = await aMirror();
      const views = new NodeViews(mirror, undefined);
      views.all();
      for (let count = 0; count < 40; count += 1) {
        await store.commit(randomChange(prng));
        await clock.advance(0);
        expect(byId(views.all())).toEqual(byId(fromMirror(mirror)));
      }
    });
  });

  it("gives back at the end of a turn what the turn took (V1)", async () => {
    const { clock, store, mirror } = await aMirror();
    await store.commit(aTransaction({ puts: [{ key: "node/n1", value: aNode() }] }));
    await clock.advance(0);
    const views = new NodeViews(mirror, undefined);
    const resources = { ...aNode().capacity, diskMib: 0 };
    const guest = aGuest(resources);
    const fits = views.inTurn((turn) => {
      const request = { ...REQUEST, guestUid: guest.uid, resources };
      const before = turn.place(request, 1).isPlaced;
      turn.take(request, "n1");
      return [before, turn.place(request, 1).isPlaced];
    });
    expect(fits).toEqual([true, false]);
    expect(views.all()).toEqual(fromMirror(mirror));
  });

  it("keeps guests apart that ask for it, within one turn and after it", async () => {
    const { clock, store, mirror } = await aMirror();
    const racks = [1, 2, 3].map((n) =>
      aNode({ id: `n${n}`, labels: { rack: `r${Math.ceil(n / 2)}` } }),
    );
    const puts = racks.map((value) => ({ key: recordKey("node", value.id), value }));
    await store.commit(aTransaction({ puts }));
    await clock.advance(0);
    const views = new NodeViews(mirror, undefined);
    const groups = [
      {
        kind: "apart",
        guestLabel: { key: "app", value: "web" },
        topology: "rack",
        maxSkew: 0,
        isHard: true,
      },
    ] as const;
    const request = { ...REQUEST, labels: { app: "web" }, rules: { ...NO_RULES, groups } };
    const rackOf = (nodeId: string): string | undefined =>
      mirror.node(nodeId)?.value.labels["rack"];
    const placed = views.inTurn((turn) =>
      [1, 2, 3].map((seed) => {
        const result = turn.place(request, seed);
        if (result.isPlaced) turn.take(request, result.decision.nodeId);
        return result.isPlaced ? rackOf(result.decision.nodeId) : result.rejections[0]?.filter;
      }),
    );
    expect(placed.slice(0, 2).sort()).toEqual(["r1", "r2"]);
    expect(placed[2]).toBe("apart");
    const web = aGuest({ onNode: "n1", labels: { app: "web" } });
    await store.commit(aTransaction({ puts: [{ key: guestKey(web), value: web }] }));
    await clock.advance(0);
    const next = views.inTurn((turn) => turn.place(request, 1));
    expect(next.isPlaced && next.decision.nodeId).toBe("n3");
  });

  it("takes a node for unreachable while its agent is not heard", async () => {
    const { clock, store, mirror } = await aMirror();
    await store.commit(aTransaction({ puts: [{ key: "node/n1", value: aNode() }] }));
    await clock.advance(0);
    const sessions = new NodeSessions(clock, { leaseTtlMs: LEASE_MS, leaseMarginMs: 0 });
    const views = new NodeViews(mirror, sessions);
    const state = (): string | undefined => views.all()[0]?.node.state;
    expect(state()).toBe("unreachable");
    sessions.open("n1", "a");
    expect(state()).toBe("unreachable");
    sessions.report(aNodeReport({ incarnation: "a", isFull: true }));
    expect(state()).toBe("ready");
    await clock.advance(LEASE_MS + 1);
    expect(state()).toBe("unreachable");
  });

  it("begins anew after it is closed", async () => {
    const { clock, store, mirror } = await aMirror();
    const views = new NodeViews(mirror, undefined);
    views.all();
    views.close();
    await store.commit(aTransaction({ puts: [{ key: "node/n1", value: aNode() }] }));
    await clock.advance(0);
    expect(views.all().map(({ node }) => node.id)).toEqual(["n1"]);
  });
});

const REQUEST: PlacementRequest = {
  guestUid: "",
  projectId: "default",
  labels: {},
  rules: NO_RULES,
  resources: { cpuMillis: 0, memoryMib: 0, diskMib: 0 },
  mode: "auto",
  imageKind: "linux",
  needs: NO_NEEDS,
  nodeId: "",
  migratingFrom: undefined,
};

async function aMirror() {
  const clock = new FakeClock();
  const store = new MemoryStateStore({ disk: new MemoryDisk({ changesKeptMax: 100 }), clock });
  const mirror = new Mirror();
  await mirror.load(store);
  void mirror.follow(store, new AbortController().signal);
  return { clock, store, mirror };
}

function randomChange(prng: Prng): Transaction {
  const nodeId = prng.pick(["n1", "n2", "n3"]);
  const node = aNode({ id: nodeId, isCordoned: prng.chance(0.3) });
  const index = prng.integer(0, 9);
  const memoryMib = prng.integer(1, 9);
  const guest = aGuest({ id: `g${index}`, uid: `uid-${index}`, onNode: nodeId, memoryMib });
  return aTransaction(
    prng.pick<Partial<Transaction>>([
      { puts: [{ key: recordKey("node", nodeId), value: node }] },
      { deletes: [recordKey("node", nodeId)] },
      { puts: [{ key: guestKey(guest), value: guest }] },
      { deletes: [guestKey(guest)] },
    ]),
  );
}

function fromMirror(mirror: Mirror): NodeView[] {
  return mirror.nodes().map((node) => ({ node, allocated: mirror.allocatedOn(node.id) }));
}

function byId(views: readonly NodeView[]): NodeView[] {
  return [...views].sort((a, b) => (a.node.id < b.node.id ? -1 : 1));
}
