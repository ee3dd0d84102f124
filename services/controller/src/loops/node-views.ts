/**
 * The scheduler's table of nodes, kept in step with the mirror: records, what is allocated, and
 * whether the agents answer now. Nothing is built for one decision.
 *
 * V1 Between decisions the table equals the mirror: allocations per node are the sums over its
 *    guests.
 */
import {
  addResources,
  allocatable,
  type FairShares,
  type Guest,
  kindOf,
  NO_RESOURCES,
  type NodeRecord,
  type NodeTable,
  type NodeView,
  type PlacementPolicy,
  type PlacementRequest,
  type PlacementResult,
  Placer,
  type Preempting,
  type PreemptionQuestion,
  placementsOf,
  RESOURCE_KINDS,
  type RecordKey,
  type RecordValue,
  type Release,
  type Resources,
  subtractResources,
  sumResources,
} from "@innkeeper/core";
import type { Mirror } from "../mirror/mirror.js";
import type { NodeSessions } from "../sessions/node-sessions.js";
import { HeldPorts } from "./held-ports.js";

/** One turn of decisions. */
export interface PlacementTurn {
  place(request: PlacementRequest, seed: number): PlacementResult;
  /** The decision is meant: later ones of this turn count with it. */
  take(request: PlacementRequest, nodeId: string): void;
  /** Who would have to leave, and from where; undefined = nobody's leaving is enough. */
  preempt(
    request: PlacementRequest,
    allowed: Pick<PreemptionQuestion, "priority" | "mayLeave">,
    seed: number,
  ): Preempting | undefined;
  /** Will be free there: counts for `preempt`, not for `place`. */
  expect(release: Release): void;
  /** Gives back what was taken inside when it ends with undefined. */
  attempt<T>(decide: () => T | undefined): T | undefined;
}

interface Taken {
  readonly request: PlacementRequest;
  readonly nodeId: string;
}

interface RecordChange {
  readonly value: RecordValue | undefined;
  readonly before: RecordValue | undefined;
}

export class NodeViews {
  #placer: Placer | undefined;
  #ports = new HeldPorts();
  /** What the guests of each project hold on nodes. */
  readonly #held = new Map<string, Resources>();
  readonly #unheard = new Set<string>();
  #unsubscribe: () => void = () => undefined;

  constructor(
    private readonly mirror: Mirror,
    /**
     * What the leader hears; undefined = this controller does not lead and believes the records.
     */
    private readonly sessions: NodeSessions | undefined,
    /** Of guests and projects that say nothing. */
    private readonly clusterPolicy: PlacementPolicy = "spread",
  ) {}

  policyOf({ policy }: PlacementRequest): PlacementPolicy {
    return policy ?? this.clusterPolicy;
  }

  /**
   * Some node that is known has not been heard yet by this leader: too early to say that nothing
   * fits.
   */
  isAwaitingNodes(): boolean {
    const { sessions } = this;
    if (sessions === undefined) return false;
    return this.mirror.nodes().some(({ id }) => sessions.linkOf(id) === "unknown");
  }

  /**
   * Decisions in a row, each knowing what the earlier ones took. What they take is given back at
   * the end: it counts for good when it is committed and mirrored (V1).
   */
  inTurn<T>(decide: (turn: PlacementTurn) => T): T {
    const placer = this.#placer ?? this.#begin();
    this.#hearNodes(placer.table);
    const taken: Taken[] = [];
    const expected: Release[] = [];
    const take = (request: PlacementRequest, nodeId: string): void => {
      taken.push({ request, nodeId });
      placer.table.allocate(nodeId, request.resources);
      placer.members.add(nodeId, request);
      const holder = { uid: request.guestUid, name: `another guest of ${request.projectId}` };
      for (const port of request.ports ?? []) this.#ports.add(nodeId, port, holder);
    };
    const giveBack = (from: number): void => {
      for (const { request, nodeId } of taken.splice(from)) {
        placer.table.release(nodeId, request.resources);
        placer.members.remove(nodeId, request);
        for (const port of request.ports ?? []) this.#ports.remove(nodeId, port, request.guestUid);
      }
    };
    const attempt = <R>(inside: () => R | undefined): R | undefined => {
      const before = taken.length;
      const result = inside();
      if (result === undefined) giveBack(before);
      return result;
    };
    try {
      return decide({
        place: (request, seed) => this.#place(request, seed),
        preempt: (request, allowed, seed) =>
          withFree(placer, expected, () => this.#preempt(placer, { request, seed }, allowed)),
        expect: (release) => expected.push(release),
        take,
        attempt,
      });
    } finally {
      giveBack(0);
    }
  }

  /** A turn in which the guest's own places are free. */
  without<T>(places: readonly Release[], guest: Guest, decide: (turn: PlacementTurn) => T): T {
    const { table, members } = this.#placer ?? this.#begin();
    for (const { nodeId, resources } of places) {
      table.release(nodeId, resources);
      members.remove(nodeId, guest);
    }
    try {
      return this.inTurn(decide);
    } finally {
      for (const { nodeId, resources } of places) {
        table.allocate(nodeId, resources);
        members.add(nodeId, guest);
      }
    }
  }

  /** The scheduler's table as it is now; whoever changes it changes it back. */
  within<T>(work: (placer: Placer) => T): T {
    const placer = this.#placer ?? this.#begin();
    this.#hearNodes(placer.table);
    return work(placer);
  }

  /** What guests that wait are weighed by. */
  shares(nowMs: number): FairShares {
    this.#placer ??= this.#begin();
    const total = sumResources(this.mirror.nodes().map(allocatable));
    return { nowMs, total, heldBy: (projectId) => this.#held.get(projectId) ?? NO_RESOURCES };
  }

  /** Whether the node takes guests and has so much left. */
  hasRoom(nodeId: string, resources: Resources): boolean {
    const { table } = this.#placer ?? this.#begin();
    const slot = table.slotOf(nodeId);
    if (slot === undefined || table.isOpen[slot] === 0) return false;
    return RESOURCE_KINDS.every(
      (kind, index) =>
        resources[kind] <= (table.free[slot * RESOURCE_KINDS.length + index] as number),
    );
  }

  /** Every node as the scheduler sees it now. */
  all(): NodeView[] {
    const { table } = this.#placer ?? this.#begin();
    this.#hearNodes(table);
    return table.views();
  }

  /** Follows the mirror no longer. */
  close(): void {
    this.#unsubscribe();
    this.#placer = undefined;
  }

  #place(asked: PlacementRequest, seed: number): PlacementResult {
    const placer = this.#placer ?? this.#begin();
    const heldPorts = this.#ports.conflicts(asked.guestUid, asked.ports ?? []);
    const request = { ...asked, heldPorts };
    const { revision } = this.mirror;
    const result = placer.place(request, { revision, seed, policy: this.policyOf(request) });
    if (!result.isPlaced || this.#unheard.size === 0) return result;
    return { ...result, decision: { ...result.decision, unheardNodeIds: this.#unheardReady() } };
  }

  #preempt(
    placer: Placer,
    { request, seed }: { request: PlacementRequest; seed: number },
    allowed: Pick<PreemptionQuestion, "priority" | "mayLeave">,
  ): Preempting | undefined {
    const heldPorts = this.#ports.conflicts(request.guestUid, request.ports ?? []);
    const policy = this.policyOf(request);
    const found = placer.preempt({ ...request, heldPorts }, allowed, { seed, policy });
    if (found === undefined) return undefined;
    const nodeId = placer.table.ids[found.slot] as string;
    return { nodeId, victimUids: found.victims.map(({ guestUid }) => guestUid) };
  }

  #begin(): Placer {
    const placer = new Placer();
    this.#placer = placer;
    for (const node of this.mirror.nodes()) placer.table.setNode(this.#seen(node));
    this.#ports = new HeldPorts();
    this.#held.clear();
    for (const guest of this.mirror.guests()) this.#settle(placer, guest);
    this.#unsubscribe = this.mirror.subscribe((batch, before) => {
      batch.changes.forEach(({ key, value }, index) => {
        this.#follow(placer, key, { value, before: before[index] });
      });
    });
    return placer;
  }

  #follow(placer: Placer, key: RecordKey, { value, before }: RecordChange): void {
    const kind = kindOf(key);
    if (kind === "guest") {
      if (before) this.#unsettle(placer, before as Guest);
      if (value) this.#settle(placer, value as Guest);
    }
    if (kind !== "node") return;
    if (value) placer.table.setNode(this.#seen(value as NodeRecord));
    else if (before) placer.table.removeNode((before as NodeRecord).id);
  }

  #settle(placer: Placer, guest: Guest): void {
    settle(placer, guest);
    this.#ports.addGuest(guest);
    this.#hold(guest, addResources);
  }

  #unsettle(placer: Placer, guest: Guest): void {
    unsettle(placer, guest);
    this.#ports.removeGuest(guest);
    this.#hold(guest, subtractResources);
  }

  #unheardReady(): string[] {
    return [...this.#unheard].filter((id) => this.mirror.node(id)?.value.state === "ready").sort();
  }

  #hold(guest: Guest, change: typeof addResources): void {
    const places = sumResources(placementsOf(guest).map(({ resources }) => resources));
    const held = this.#held.get(guest.projectId) ?? NO_RESOURCES;
    this.#held.set(guest.projectId, change(held, places));
  }

  /** Whether an agent answers changes with time, not with a record. */
  #hearNodes(table: NodeTable): void {
    if (this.sessions === undefined) return;
    for (let slot = 0; slot < table.length; slot += 1) {
      const id = table.recordAt(slot)?.id;
      const isHeard = id === undefined || this.sessions.linkOf(id) === "synced";
      if (id === undefined || isHeard !== this.#unheard.has(id)) continue;
      const node = this.mirror.node(id);
      if (node !== undefined) table.setNode(this.#seen(node.value));
    }
  }

  #seen(node: NodeRecord): NodeRecord {
    const isHeard = !this.sessions || this.sessions.linkOf(node.id) === "synced";
    if (isHeard) this.#unheard.delete(node.id);
    else this.#unheard.add(node.id);
    return isHeard || node.state !== "ready" ? node : { ...node, state: "unreachable" };
  }
}

function withFree<T>({ table }: Placer, releases: readonly Release[], run: () => T): T {
  for (const { nodeId, resources } of releases) table.release(nodeId, resources);
  try {
    return run();
  } finally {
    for (const { nodeId, resources } of releases) table.allocate(nodeId, resources);
  }
}

function settle({ table, members, preemptibles }: Placer, guest: Guest): void {
  for (const { nodeId, resources } of placementsOf(guest)) {
    table.allocate(nodeId, resources);
    members.add(nodeId, guest);
    if (guest.spec.isPreemptible !== true) continue;
    const priority = guest.spec.priority ?? 0;
    preemptibles.add(nodeId, { guestUid: guest.uid, priority, resources });
  }
}

function unsettle({ table, members, preemptibles }: Placer, guest: Guest): void {
  for (const { nodeId, resources } of placementsOf(guest)) {
    table.release(nodeId, resources);
    members.remove(nodeId, guest);
    if (guest.spec.isPreemptible === true) preemptibles.remove(nodeId, guest.uid);
  }
}
