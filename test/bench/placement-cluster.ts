/**
 * A simulated cluster in its steady state: unequal nodes, 20 guests on each, one leaves as one
 * comes.
 */
import {
  NO_NEEDS,
  type PlacementRequest,
  type PlacementRules,
  Placer,
  type Preemption,
  type Resources,
} from "@innkeeper/core";
import { aNode, Prng } from "@innkeeper/core/testing";

export const SCENARIOS = ["plain", "filters", "affinity", "gang", "preempt"] as const;
/**
 * Resources only; with labels and taints; with anti-affinity and rack spread as well; the same for
 * gangs of 8 guests that go and come together, all or none; resources only in a cluster that has no
 * room, where guests of four priorities leave for one that comes.
 */
export type Scenario = (typeof SCENARIOS)[number];

const GUESTS_PER_NODE = 20;
const GUESTS_PER_APP = 20;
const NODES_PER_RACK = 40;
const FLAVOURS = 200;
export const NOWHERE = -1;
const GANG_SIZE = 8;

export interface Decision {
  readonly request: PlacementRequest;
  readonly seed: number;
}

/** A guest leaves, another comes. */
export interface Turn {
  readonly guest: Guest;
  readonly decision: Decision;
}

/** Everybody of the cluster leaves for them. */
export const PRIORITY_OF_COMERS = 10;
const PRIORITIES = [0, 1, 2, 3];

export interface Guest {
  readonly uid: string;
  readonly priority: number;
  slot: number;
  resources: Resources;
  readonly labels: Readonly<Record<string, string>>;
  readonly rules: PlacementRules;
}

export class SimulatedCluster {
  readonly placer = new Placer();
  readonly #prng = new Prng(7);
  readonly #flavours: readonly Resources[];
  readonly #guests: Guest[] = [];
  /** Hears of every change, to do the same. */
  onChange: (slot: number, guest: Guest, sign: 1 | -1) => void = () => undefined;

  constructor(
    nodes: number,
    private readonly scenario: Scenario,
  ) {
    for (let index = 0; index < nodes; index += 1) this.#addNode(index);
    this.#flavours = Array.from({ length: FLAVOURS }, () => this.#flavour());
    const apps = this.#apps((nodes * GUESTS_PER_NODE) / GUESTS_PER_APP);
    for (let index = 0; index < nodes * GUESTS_PER_NODE; index += 1) {
      const app = apps[index % apps.length] as Pick<Guest, "labels" | "rules">;
      const resources = this.#prng.pick(this.#flavours);
      const who = { uid: String(index), priority: this.#prng.pick(PRIORITIES) };
      const guest = { ...app, ...who, slot: NOWHERE, resources };
      this.#guests.push(guest);
      const decision = this.#decisionFor(guest);
      this.settle(guest, this.choose(decision));
    }
  }

  get #hasGroups(): boolean {
    return this.scenario === "affinity" || this.scenario === "gang";
  }

  /** Guests leave for those that come. */
  get preempts(): boolean {
    return this.scenario === "preempt";
  }

  get placedShare(): number {
    return this.placed().length / this.#guests.length;
  }

  placed(): readonly Guest[] {
    return this.#guests.filter(({ slot }) => slot !== NOWHERE);
  }

  /** Guests that go and come together. */
  get gangSize(): number {
    return this.scenario === "gang" ? GANG_SIZE : 1;
  }

  /** Who leaves and what comes for them, gang by gang: drawn before anything is measured. */
  draw(count: number): readonly (readonly Turn[])[] {
    return Array.from({ length: count / this.gangSize }, () => this.#gang());
  }

  /** Of one app, which has no more guests than fit in one gang twice. */
  #gang(): readonly Turn[] {
    const first = this.#prng.integer(0, this.#guests.length - 1);
    const apps = this.#guests.length / GUESTS_PER_APP;
    return Array.from({ length: this.gangSize }, (_, member) => {
      const guest = this.#guests[(first + member * apps) % this.#guests.length] as Guest;
      const resources = this.#prng.pick(this.#flavours);
      return { guest, decision: this.#decisionFor({ ...guest, resources }) };
    });
  }

  leave({ guest, decision }: Turn): void {
    if (guest.slot !== NOWHERE) this.#change(guest, -1);
    guest.slot = NOWHERE;
    guest.resources = decision.request.resources;
  }

  #decisionFor({ resources, labels, rules }: Guest): Decision {
    const seed = this.#prng.next32();
    const from = { guestUid: "", projectId: "p", nodeId: "", migratingFrom: undefined };
    return { request: { ...from, labels, rules, resources, ...MODE }, seed };
  }

  choose({ request, seed }: Decision): number {
    return this.placer.choose(request, { seed, policy: "spread" });
  }

  /** Who leaves for it, and from where; nothing fits. */
  preempt({ request, seed }: Decision): Preemption | undefined {
    const mayLeave = (): boolean => true;
    const allowed = { priority: PRIORITY_OF_COMERS, mayLeave };
    return this.placer.preempt(request, allowed, { seed, policy: "spread" });
  }

  /** It is put where they were. */
  evict(guest: Guest, { slot, victims }: Preemption): void {
    for (const { guestUid } of victims) {
      const victim = this.#guests[Number(guestUid)] as Guest;
      this.#change(victim, -1);
      victim.slot = NOWHERE;
    }
    this.settle(guest, slot);
  }

  /** All of them, or none. */
  come(gang: readonly Turn[]): void {
    for (const { guest, decision } of gang) {
      const slot = this.choose(decision);
      const preemption = slot === NOWHERE && this.preempts ? this.preempt(decision) : undefined;
      if (preemption === undefined) this.settle(guest, slot);
      else this.evict(guest, preemption);
    }
    if (gang.some(({ guest }) => guest.slot === NOWHERE)) for (const turn of gang) this.leave(turn);
  }

  settle(guest: Guest, slot: number): void {
    guest.slot = slot;
    if (slot !== NOWHERE) this.#change(guest, 1);
  }

  #change(guest: Guest, sign: 1 | -1): void {
    const { table, members } = this.placer;
    table.changeAt(guest.slot, guest.resources, sign);
    this.onChange(guest.slot, guest, sign);
    if (this.preempts) this.#changePreemptibles(guest, sign);
    if (!this.#hasGroups) return;
    const nodeId = table.ids[guest.slot] as string;
    if (sign === 1) members.add(nodeId, { projectId: "p", labels: guest.labels });
    else members.remove(nodeId, { projectId: "p", labels: guest.labels });
  }

  #changePreemptibles({ uid, priority, slot, resources }: Guest, sign: 1 | -1): void {
    const { table, preemptibles } = this.placer;
    const nodeId = table.ids[slot] as string;
    if (sign === 1) preemptibles.add(nodeId, { guestUid: uid, priority, resources });
    else preemptibles.remove(nodeId, uid);
  }

  #addNode(index: number): void {
    const prng = this.#prng;
    const cores = prng.pick(this.preempts ? [16, 32] : [16, 32, 64, 128]);
    const isTainted = this.scenario !== "plain" && !this.preempts;
    const labels = {
      zone: prng.pick(["a", "b", "c"]),
      rack: `r${Math.floor(index / NODES_PER_RACK)}`,
      generation: String(prng.integer(1, 5)),
      ...(prng.chance(0.6) ? { ssd: "yes" } : {}),
      ...(isTainted && prng.chance(0.05) ? { "taint/dedicated": "batch" } : {}),
    };
    const { abilities } = aNode();
    this.placer.table.setNode(
      aNode({
        id: `node-${index}`,
        labels,
        capacity: { cpuMillis: cores * 1000, memoryMib: cores * 4096, diskMib: cores * 51_200 },
        abilities: prng.chance(0.5) ? abilities : abilities.slice(0, 2),
      }),
    );
  }

  #flavour(): Resources {
    const cpuMillis = this.#prng.pick([500, 1000, 2000, 2000, 4000]);
    const memoryMib = cpuMillis * this.#prng.pick([1, 2, 4, 6]);
    return { cpuMillis, memoryMib, diskMib: this.#prng.pick([0, 10_240, 20_480, 51_200]) };
  }

  /** With labels of their own, and the rules that the scenario is about. */
  #apps(count: number): readonly Pick<Guest, "labels" | "rules">[] {
    return Array.from({ length: count }, (_, index) => {
      const app = `app-${index}`;
      const isPlain = this.scenario === "plain" || this.preempts;
      const where = isPlain ? [] : [this.#wish(), this.#wish()];
      const tolerations = this.#prng.chance(0.5) ? ["dedicated"] : [];
      const guestLabel = { key: "app", value: app };
      const groups = [
        { kind: "apart", guestLabel, topology: "node", maxSkew: 0, isHard: true },
        { kind: "spread", guestLabel, topology: "rack", maxSkew: 1, isHard: false },
      ] as const;
      const rules = { where, tolerations, groups: this.#hasGroups ? groups : [] };
      return { labels: { app }, rules };
    });
  }

  #wish(): PlacementRules["where"][number] {
    return this.#prng.pick<PlacementRules["where"][number]>([
      { key: "zone", operator: "in", values: ["a", "b"] },
      { key: "zone", operator: "notin", values: ["c"] },
      { key: "ssd", operator: "exists", values: [] },
      { key: "generation", operator: "gt", values: ["2"] },
    ]);
  }
}

const MODE = { mode: "auto", needs: NO_NEEDS, imageKind: "linux" } as const;
