/**
 * The scheduler over a table of nodes: gives the decisions of `place` without objects for each
 * node. `choose` only finds the node, in about a microsecond; `place` also explains: by one scan in
 * small clusters, with every count and the nodes that will not do; in large ones by the best few.
 */
import { CANDIDATES_MAX, REJECTIONS_MAX } from "../domain/placement.js";
import { isWithoutBridge, type PlacementRequest, usableAbilities } from "./filters.js";
import { allowedCounts, violationsOn } from "./group-rules.js";
import { GuestCounts } from "./guest-counts.js";
import { LabelIndex } from "./label-index.js";
import { NodeTable } from "./node-table.js";
import { type OfferedAbility, preferenceOf } from "./offers.js";
import {
  allRejections,
  candidateOn,
  type PlacementContext,
  type PlacementResult,
  resultOf,
} from "./place.js";
import {
  chooseVictims,
  type Preemption,
  type PreemptionQuestion,
} from "./preemption/choose-victims.js";
import { Preemptibles } from "./preemption/preemptibles.js";
import { ringStart } from "./scorers.js";
import { ANYBODY, type CompiledRule, NOBODY, type Question, Search } from "./search.js";

/** Kinds of requests whose usable modes are remembered for every class. */
const REQUEST_KINDS_MAX = 256;
/** Up to so many nodes each decision tells of all of them. */
const SCANNED_NODES_MAX = 512;
const NOT_USABLE = -1;
const NO_COMPILED: readonly CompiledRule[] = [];

export class Placer {
  readonly table = new NodeTable();
  /** Guests on nodes, as rules between guests see them. */
  readonly members = new GuestCounts(this.table);
  /** Guests that may be made to leave for others. */
  readonly preemptibles = new Preemptibles(this.table);
  readonly #search = new Search(this.table);
  readonly #preferences = new Map<string, Float64Array>();
  readonly #wanted = new LabelIndex(this.table);
  #lastKind: { request: PlacementRequest; preferences: Float64Array } | undefined;

  /** @param scannedNodesMax up to how many nodes `place` looks at each of them */
  constructor(private readonly scannedNodesMax = SCANNED_NODES_MAX) {}

  /** Slot of the best node, or -1. */
  choose(request: PlacementRequest, context: Omit<PlacementContext, "revision">): number {
    if (request.migratingFrom !== undefined)
      return this.#without(request, () => this.#find(request, context));
    return this.#find(request, context);
  }

  /** The same by a full scan, which is slower and cannot miss a node. */
  scan(request: PlacementRequest, context: Omit<PlacementContext, "revision">): number {
    return this.#without(request, () => this.#search.scan(this.#questionOf(request, context)));
  }

  place(request: PlacementRequest, context: PlacementContext): PlacementResult {
    return this.#without(request, () => this.#explained(request, context));
  }

  /**
   * Whose leaving costs least, of all nodes that lack nothing but room; undefined when nobody's is
   * enough. Rules between guests are read as if the victims were still there.
   */
  preempt(
    request: PlacementRequest,
    { priority, mayLeave }: Pick<PreemptionQuestion, "priority" | "mayLeave">,
    context: Omit<PlacementContext, "revision">,
  ): Preemption | undefined {
    const question = this.#questionOf(request, context);
    this.#search.ask(question);
    const wouldTake = (slot: number): boolean => this.#search.wouldTake(slot);
    const { resources } = request;
    const asked = { resources, start: question.start, priority, mayLeave, wouldTake };
    return chooseVictims(asked, this.table, this.preemptibles);
  }

  /** How many of the guest's soft rules are broken when it is there. */
  brokenAt(request: PlacementRequest, slot: number): number {
    const { groups } = request.rules;
    const node = this.table.recordAt(slot);
    if (groups.length === 0 || node === undefined) return 0;
    return this.#without(request, () =>
      violationsOn(groups, node, this.members.countsFor(request.projectId)),
    );
  }

  /** Runs it without the guest's own copies, which are no obstacle to it. */
  #without<T>(request: PlacementRequest, run: () => T): T {
    const { projectId, labels, migratingFrom } = request;
    if (migratingFrom === undefined) return run();
    const member = { projectId, labels };
    this.members.remove(migratingFrom.nodeId, member);
    try {
      return run();
    } finally {
      this.members.add(migratingFrom.nodeId, member);
    }
  }

  #explained(request: PlacementRequest, context: PlacementContext): PlacementResult {
    const asked = { request, counts: this.members.countsFor(request.projectId) };
    const question = this.#questionOf(request, context);
    const isLarge = this.table.length > this.scannedNodesMax;
    const found = isLarge ? this.#bestFew(question) : this.#scanned(question);
    const { best, candidateCount, others } = found;
    const viewAt = (slot: number) => this.table.viewAt(slot);
    const candidates = best.map((slot) => candidateOn(viewAt(slot), asked, context));
    const rejected = others.flatMap((slot) => allRejections(asked, viewAt(slot)));
    return resultOf({ candidates, candidateCount, rejected }, request, context);
  }

  /** The best few of all that fit, how many these are, and the first few that do not. */
  #scanned(question: Question): Found {
    this.#search.ask(question);
    const { table } = this;
    const [best, others]: [number[], number[]] = [[], []];
    let candidateCount = 0;
    for (let slot = 0; slot < table.length; slot += 1) {
      if (this.#search.fits(slot)) {
        candidateCount += 1;
        this.#rank(best, slot);
      } else if (others.length < REJECTIONS_MAX && table.recordAt(slot) !== undefined) {
        others.push(slot);
      }
    }
    return { best, candidateCount, others };
  }

  /** The same best few, each found without those before it; reasons only when there is none. */
  #bestFew(question: Question): Found {
    const best: number[] = [];
    const barred = new Set(question.barred);
    while (best.length < CANDIDATES_MAX) {
      const slot = this.#search.find({ ...question, barred });
      if (slot === NOBODY) break;
      best.push(slot);
      barred.add(slot);
    }
    return { best, candidateCount: undefined, others: best.length === 0 ? this.#firstFew() : [] };
  }

  #firstFew(): number[] {
    const slots: number[] = [];
    for (let slot = 0; slot < this.table.length && slots.length < REJECTIONS_MAX; slot += 1) {
      if (this.table.recordAt(slot) !== undefined) slots.push(slot);
    }
    return slots;
  }

  #find(request: PlacementRequest, context: Omit<PlacementContext, "revision">): number {
    return this.#search.find(this.#questionOf(request, context));
  }

  /** Keeps the best few, best first. */
  #rank(best: number[], slot: number): void {
    const last = best[best.length - 1];
    const isFull = best.length === CANDIDATES_MAX;
    if (isFull && !this.#search.isBetter(slot, last as number)) return;
    if (isFull) best.pop();
    let at = best.length;
    while (at > 0 && this.#search.isBetter(slot, best[at - 1] as number)) at -= 1;
    best.splice(at, 0, slot);
  }

  #questionOf(
    request: PlacementRequest,
    { seed, policy }: Omit<PlacementContext, "revision">,
  ): Question {
    const { nodeId, migratingFrom, resources } = request;
    const only = nodeId === "" ? ANYBODY : (this.table.slotOf(nodeId) ?? NOBODY);
    const except = migratingFrom ? (this.table.slotOf(migratingFrom.nodeId) ?? NOBODY) : NOBODY;
    const preferences = this.#preferencesOf(request);
    const rules = this.#compiled(request);
    const wanted = this.#wanted.of(request.rules);
    const barred = this.#barred(request);
    const start = ringStart(seed);
    return { resources, policy, start, preferences, rules, wanted, only, except, barred };
  }

  /** What is said of single nodes, of which there are few, or by few requests. */
  #barred(request: PlacementRequest): ReadonlySet<number> | undefined {
    const { heldPorts, isBridged } = request;
    if (isBridged !== true && (heldPorts === undefined || heldPorts.size === 0)) return undefined;
    const { table } = this;
    const held = [...(heldPorts?.keys() ?? [])].map((id) => table.slotOf(id) ?? NOBODY);
    return new Set([...held, ...this.#slotsWithoutBridge(request)]);
  }

  #slotsWithoutBridge(request: PlacementRequest): number[] {
    if (request.isBridged !== true) return [];
    const slots = Array.from({ length: this.table.length }, (_, slot) => slot);
    return slots.filter((slot) => {
      const node = this.table.recordAt(slot);
      return node !== undefined && isWithoutBridge(request, node);
    });
  }

  #compiled({ projectId, rules }: PlacementRequest): readonly CompiledRule[] {
    if (rules.groups.length === 0) return NO_COMPILED;
    return rules.groups.map((rule) => ({
      placeAt: this.members.placesOf(rule.topology),
      counts: this.members.of(projectId, rule),
      ...allowedCounts(rule, rule.kind === "spread" ? this.members.fewest(projectId, rule) : 0),
      isHard: rule.isHard,
    }));
  }

  /** What depends on the class of a node only, by class. */
  #preferencesOf(request: PlacementRequest): Float64Array {
    const { classes } = this.table;
    const last = this.#lastKind;
    const isLast = last?.preferences.length === classes.length && isSameKind(request, last.request);
    if (isLast) return last.preferences;
    const preferences = this.#preferencesByKind(request);
    this.#lastKind = { request, preferences };
    return preferences;
  }

  #preferencesByKind(request: PlacementRequest): Float64Array {
    const { classes } = this.table;
    const key = kindKey(request);
    const known = this.#preferences.get(key);
    if (known !== undefined && known.length === classes.length) return known;
    if (this.#preferences.size >= REQUEST_KINDS_MAX) this.#preferences.clear();
    const worked = Float64Array.from(classes, ({ example }) => {
      const ability: OfferedAbility | undefined = usableAbilities(request, example)[0];
      return ability === undefined ? NOT_USABLE : preferenceOf(ability);
    });
    this.#preferences.set(key, worked);
    return worked;
  }
}

/** Slots. */
interface Found {
  readonly best: readonly number[];
  readonly candidateCount: number | undefined;
  readonly others: readonly number[];
}

/** Told without making the key; false also when it would be cumbersome to tell. */
function isSameKind(one: PlacementRequest, other: PlacementRequest): boolean {
  if (one.mode !== other.mode || one.imageKind !== other.imageKind) return false;
  if (one.needs !== other.needs || one.ports !== other.ports) return false;
  if (one.limitsNetwork !== other.limitsNetwork || one.template !== other.template) return false;
  return one.migratingFrom === undefined && other.migratingFrom === undefined;
}

/** Everything that `usableAbilities` looks at. */
function kindKey(request: PlacementRequest): string {
  const { mode, imageKind, needs, migratingFrom, ports, limitsNetwork = false, template } = request;
  const { liveMigration, ownKernel, startWithinMs } = needs;
  const network = `${ports !== undefined && ports.length > 0} ${limitsNetwork}`;
  const needed = `${liveMigration} ${ownKernel} ${startWithinMs} ${network}`;
  const machine = template?.machine === undefined ? "" : JSON.stringify(template.machine);
  if (migratingFrom === undefined) return `${mode} ${imageKind} ${needed} ${machine}`;
  return `${mode} ${imageKind} ${network} ${JSON.stringify(migratingFrom.ability)}`;
}
