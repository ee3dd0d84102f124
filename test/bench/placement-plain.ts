/**
 * The same decisions by a plain loop over one object for each node, as most schedulers make them:
 * the baseline. It keeps what is free and counts of guests as the table does, and looks at every
 * node.
 */
import {
  allocatable,
  allowedCounts,
  areLabelsWanted,
  byCost,
  compareCosts,
  costOf,
  fitOf,
  type GroupRule,
  leastVictims,
  MODE_PREFERENCE,
  type NodeRecord,
  type PlacementRequest,
  type Preemptible,
  placeOf,
  RESOURCE_KINDS,
  type Resources,
  ringPlace,
  ringStart,
  scoreOf,
  tieBreak,
  usableAbilities,
  type VictimCost,
} from "@innkeeper/core";
import {
  type Decision,
  type Guest,
  PRIORITY_OF_COMERS,
  type SimulatedCluster,
} from "./placement-cluster.js";

interface PlainNode {
  readonly record: NodeRecord;
  readonly ring: number;
  readonly limit: Resources;
  free: Resources;
}

interface Best {
  readonly slot: number;
  readonly broken: number;
  readonly score: number;
  readonly tie: number;
}

export class PlainLoop {
  readonly #nodes: PlainNode[] = [];
  readonly #guestsAt = new Map<number, readonly Preemptible[]>();
  readonly #counts = new Map<string, number>();
  readonly #preferences = new Map<string, number>();

  /** Starts from the cluster as it is and hears of what changes. */
  constructor(cluster: SimulatedCluster) {
    for (const { node, allocated } of cluster.placer.table.views()) {
      const limit = allocatable(node);
      this.#nodes.push({
        record: node,
        ring: ringPlace(node.id),
        limit,
        free: less(limit, allocated, 1),
      });
    }
    for (const guest of cluster.placed()) {
      this.#count(guest.slot, guest.labels, 1);
      this.#stand(guest.slot, guest, 1);
    }
    cluster.onChange = (slot, guest, sign) => {
      const { resources, labels } = guest;
      this.#stand(slot, guest, sign);
      const node = this.#nodes[slot] as PlainNode;
      node.free = less(node.free, resources, sign);
      this.#count(slot, labels, sign);
    };
  }

  /** Who leaves for it, when nothing fits, and from where. */
  preempt({ request, seed }: Decision): { slot: number; cost: VictimCost } | undefined {
    const start = ringStart(seed);
    let best: { slot: number; cost: VictimCost; tie: number } | undefined;
    for (const [slot, node] of this.#nodes.entries()) {
      const lacks = less(request.resources, node.free, 1);
      const victims = leastVictims({
        candidates: this.#guestsAt.get(slot) ?? [],
        lacks,
        priority: PRIORITY_OF_COMERS,
        mayLeave: () => true,
        limit: undefined,
      });
      if (victims === undefined) continue;
      const found = { slot, cost: costOf(victims), tie: tieBreak(node.ring, start) };
      const difference = best && (compareCosts(found.cost, best.cost) || found.tie - best.tie);
      if (difference === undefined || difference < 0) best = found;
    }
    return best;
  }

  choose({ request, seed }: Decision): number {
    const start = ringStart(seed);
    const fewest = request.rules.groups.map((rule) => this.#fewest(rule));
    let best: Best | undefined;
    for (const [slot, node] of this.#nodes.entries()) {
      if (!this.#takes(node, request)) continue;
      const hard = this.#broken(node, request.rules.groups, { fewest, isHard: true });
      if (hard > 0) continue;
      const broken = this.#broken(node, request.rules.groups, { fewest, isHard: false });
      const score = this.#score(node, request);
      const candidate = { slot, broken, score, tie: tieBreak(node.ring, start) };
      if (best === undefined || isBetter(candidate, best)) best = candidate;
    }
    return best?.slot ?? -1;
  }

  #stand(slot: number, { uid, priority, resources }: Guest, sign: 1 | -1): void {
    const others = (this.#guestsAt.get(slot) ?? []).filter(({ guestUid }) => guestUid !== uid);
    const guest = { guestUid: uid, priority, resources };
    this.#guestsAt.set(slot, sign === 1 ? [...others, guest].sort(byCost) : others);
  }

  #takes({ record, free }: PlainNode, { resources, rules }: PlacementRequest): boolean {
    if (record.state !== "ready" || record.isCordoned) return false;
    if (RESOURCE_KINDS.some((kind) => resources[kind] > free[kind])) return false;
    return areLabelsWanted(rules, record.labels);
  }

  #score({ record, free, limit }: PlainNode, request: PlacementRequest): number {
    let low = Number.POSITIVE_INFINITY;
    for (const kind of RESOURCE_KINDS) {
      low = Math.min(low, (free[kind] - request.resources[kind]) / limit[kind]);
    }
    return scoreOf(fitOf("spread", low, low), this.#preference(record, request));
  }

  #preference(node: NodeRecord, request: PlacementRequest): number {
    const known = this.#preferences.get(node.id);
    if (known !== undefined) return known;
    const [ability] = usableAbilities(request, node);
    const preference = ability === undefined ? -1 : MODE_PREFERENCE[ability.mode];
    this.#preferences.set(node.id, preference);
    return preference;
  }

  #broken(
    { record }: PlainNode,
    rules: readonly GroupRule[],
    { fewest, isHard }: { fewest: readonly number[]; isHard: boolean },
  ): number {
    return rules.filter((rule, index) => {
      if (rule.isHard !== isHard) return false;
      const { key, value } = rule.guestLabel;
      const { least, most } = allowedCounts(rule, fewest[index] ?? 0);
      const place = placeOf(rule.topology, record);
      const count = this.#counts.get(`${key}=${value}/${rule.topology}/${place}`) ?? 0;
      return count < least || count > most;
    }).length;
  }

  #fewest({ kind, guestLabel: { key, value }, topology }: GroupRule): number {
    if (kind !== "spread") return 0;
    const places = new Set(this.#nodes.map(({ record }) => placeOf(topology, record)));
    const counts = [...places].map(
      (place) => this.#counts.get(`${key}=${value}/${topology}/${place}`) ?? 0,
    );
    return Math.min(...counts);
  }

  #count(slot: number, labels: Readonly<Record<string, string>>, sign: 1 | -1): void {
    const { record } = this.#nodes[slot] as PlainNode;
    for (const [key, value] of Object.entries(labels)) {
      for (const topology of ["node", "rack"]) {
        const name = `${key}=${value}/${topology}/${placeOf(topology, record)}`;
        this.#counts.set(name, (this.#counts.get(name) ?? 0) + sign);
      }
    }
  }
}

function isBetter(one: Best, other: Best): boolean {
  if (one.broken !== other.broken) return one.broken < other.broken;
  return one.score > other.score || (one.score === other.score && one.tie < other.tie);
}

function less(from: Resources, what: Resources, sign: 1 | -1): Resources {
  return {
    cpuMillis: from.cpuMillis - sign * what.cpuMillis,
    memoryMib: from.memoryMib - sign * what.memoryMib,
    diskMib: from.diskMib - sign * what.diskMib,
  };
}
