/**
 * The scheduler over a table of nodes: gives the decisions of `place` without objects for each
 * node. `choose` only finds the node, in about a microsecond; `place` also explains, by one scan.
 */
import type { ModeAbility } from "../domain/mode.js";
import { CANDIDATES_MAX, REJECTIONS_MAX, type Rejection } from "../domain/placement.js";
import {
  isWithoutBridge,
  MODE_PREFERENCE,
  type PlacementRequest,
  usableAbilities,
} from "./filters.js";
import { allowedCounts } from "./group-rules.js";
import { GuestCounts } from "./guest-counts.js";
import { LabelIndex } from "./label-index.js";
import { NodeTable } from "./node-table.js";
import {
  allRejections,
  candidateOn,
  type PlacementContext,
  type PlacementResult,
  resultOf,
} from "./place.js";
import { ringStart } from "./scorers.js";
import { ANYBODY, type CompiledRule, NOBODY, type Question, Search } from "./search.js";

/** Kinds of requests whose usable modes are remembered for every class. */
const REQUEST_KINDS_MAX = 256;
const NOT_USABLE = -1;
const NO_COMPILED: readonly CompiledRule[] = [];

export class Placer {
  readonly table = new NodeTable();
  /** Guests on nodes, as rules between guests see them. */
  readonly members = new GuestCounts(this.table);
  readonly #search = new Search(this.table);
  readonly #preferences = new Map<string, Float64Array>();
  readonly #wanted = new LabelIndex(this.table);

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
    this.#search.ask(this.#questionOf(request, context));
    const { table } = this;
    const asked = { request, counts: this.members.countsFor(request.projectId) };
    const best: number[] = [];
    const rejected: Rejection[] = [];
    let candidateCount = 0;
    for (let slot = 0; slot < table.length; slot += 1) {
      if (this.#search.fits(slot)) {
        candidateCount += 1;
        this.#rank(best, slot);
      } else if (rejected.length < REJECTIONS_MAX && table.recordAt(slot) !== undefined) {
        rejected.push(...allRejections(asked, table.viewAt(slot)));
      }
    }
    const candidates = best.map((slot) => candidateOn(table.viewAt(slot), asked, context));
    return resultOf({ candidates, candidateCount, rejected }, request, context);
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
    const where = { wanted, only, except, barred };
    return { resources, policy, start: ringStart(seed), preferences, rules, ...where };
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
    const key = kindKey(request);
    const known = this.#preferences.get(key);
    if (known !== undefined && known.length === classes.length) return known;
    if (this.#preferences.size >= REQUEST_KINDS_MAX) this.#preferences.clear();
    const worked = Float64Array.from(classes, ({ example }) => {
      const ability: ModeAbility | undefined = usableAbilities(request, example)[0];
      return ability === undefined ? NOT_USABLE : MODE_PREFERENCE[ability.mode];
    });
    this.#preferences.set(key, worked);
    return worked;
  }
}

/** Everything that `usableAbilities` looks at. */
function kindKey({ mode, imageKind, needs, migratingFrom, ports }: PlacementRequest): string {
  const { liveMigration, ownKernel, startWithinMs } = needs;
  const hasPorts = ports !== undefined && ports.length > 0;
  const needed = `${liveMigration} ${ownKernel} ${startWithinMs} ${hasPorts}`;
  if (migratingFrom === undefined) return `${mode} ${imageKind} ${needed}`;
  return `${mode} ${imageKind} ${hasPorts} ${JSON.stringify(migratingFrom.ability)}`;
}
