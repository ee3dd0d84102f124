/**
 * Carries out drains and rebalances: asks `planDrain` or `planRebalanceStep` what is next whenever
 * something has changed, writes the ledger, begins migrations. A leader that takes over goes on
 * from the ledger and the guests.
 */
import {
  DomainError,
  type Drain,
  type DrainEntry,
  type DrainPlan,
  type Guest,
  isDone,
  nodeCounter,
  type Operation,
  planDrain,
  planRebalanceStep,
  type Rebalance,
  recordKey,
  type Transaction,
  toDomainError,
  withEntry,
  withRebalanceEntry,
} from "@innkeeper/core";
import type { CommandContext } from "../commands/command-context.js";
import { type MigrateContext, migrateGuest, whyNotMovable } from "../commands/migrate-guest.js";
import { whyNoMove } from "../commands/rebalance.js";
import { rebalanceIfWorthwhile } from "./auto-rebalance.js";
import { DrainRoutes, whyBudgetAlwaysForbids, whyBudgetForbids } from "./drain-route.js";
import type { LoopContext } from "./loop-context.js";
import type { NodeViews } from "./node-views.js";

const LOOK_AFTER_MS = 100;

type DrainOperation = Operation & { readonly drain: Drain };
type RebalanceOperation = Operation & { readonly rebalance: Rebalance };

export class MovesLoop {
  readonly #routes: DrainRoutes;
  #isDue = false;
  #isOver = false;
  #isRunning = false;
  #stop: () => void = () => undefined;

  constructor(
    private readonly context: LoopContext,
    private readonly parts: {
      readonly nodeViews: NodeViews;
      readonly sessions: MigrateContext["sessions"];
      readonly findRequest: CommandContext["store"]["findRequest"];
    },
  ) {
    this.#routes = new DrainRoutes({ ...context, nodeViews: parts.nodeViews });
  }

  /** Something may have changed. Looked at soon, many changes at once. */
  check(): void {
    if (this.#isDue || this.#isOver) return;
    this.#isDue = true;
    this.#stop = this.context.clock.schedule(LOOK_AFTER_MS, () => void this.#run());
  }

  /** Begins a rebalance of its own accord, if it is worth it. */
  async rebalance(): Promise<void> {
    const operationId = await rebalanceIfWorthwhile(this.#commands());
    if (operationId !== undefined) this.context.log.info({ operationId }, "rebalancing begins");
  }

  stop(): void {
    this.#isOver = true;
    this.#stop();
  }

  async #run(): Promise<void> {
    this.#isDue = false;
    if (this.#isRunning) return this.check();
    this.#isRunning = true;
    try {
      for (const operation of this.#running()) await this.#step(operation);
    } catch (error) {
      this.context.log.warn({ error }, "moves of guests failed for now and go on later");
    }
    this.#isRunning = false;
  }

  #running(): readonly Operation[] {
    return this.context.mirror.operations().filter((each) => !isDone(each));
  }

  async #step(operation: Operation): Promise<void> {
    if (isDrain(operation)) await this.#drain(operation);
    else if (isRebalance(operation)) await this.#rebalance(operation);
  }

  async #drain(operation: DrainOperation): Promise<void> {
    const { mirror, clock } = this.context;
    const { nodeId } = operation.drain;
    const plan = planDrain({
      operation,
      guestsThere: guestsOf(mirror, nodeId),
      guestByUid: (uid) => mirror.guestByUid(uid)?.value,
      operationById: (id) => mirror.operation(id)?.value,
      whyNot: (guest) => whyNotMovable(this.context, guest) ?? whyBudgetAlwaysForbids(guest),
      whyWait: (guest) => whyBudgetForbids(mirror, guest),
      route: (ready) => this.#routes.next(operation, ready),
      nowMs: clock.nowMs(),
    });
    const latest = await this.#begin(operation, plan);
    if (latest !== operation) await this.#write(latest);
  }

  /** Begins the moves in their order, as far as it goes; the ledger after them. */
  async #begin(operation: DrainOperation, plan: DrainPlan): Promise<Operation> {
    let latest = plan.operation;
    for (const entry of plan.moves) {
      // What began a moment ago counts against its budget.
      if (this.#mustWait(entry)) continue;
      const after = await this.#move(operation, entry, entry.toNodeId);
      const isBegun = after.state === "moving";
      if (isBegun) latest = withEntry(latest, after);
      else if (!entry.isAside) latest = withEntry(latest, { ...after, toNodeId: "" });
      // Those after it may need the room that it did not make.
      if (!isBegun && entry.toNodeId !== "") break;
    }
    return latest;
  }

  #mustWait({ guestUid }: DrainEntry): boolean {
    const { mirror } = this.context;
    const guest = mirror.guestByUid(guestUid)?.value;
    return guest === undefined || whyBudgetForbids(mirror, guest) !== undefined;
  }

  async #rebalance(operation: RebalanceOperation): Promise<void> {
    const { mirror, clock } = this.context;
    const { nodeViews } = this.parts;
    const needsGain = operation.kind === "rebalance";
    const plan = planRebalanceStep({
      operation,
      guestByUid: (uid) => mirror.guestByUid(uid)?.value,
      operationById: (id) => mirror.operation(id)?.value,
      whyNot: (guest, entry) => whyNoMove({ mirror, nodeViews }, guest, { entry, needsGain }),
      nowMs: clock.nowMs(),
    });
    let latest = plan.operation;
    for (const entry of plan.moves) {
      const after = await this.#move(operation, entry, entry.toNodeId);
      const isRefused = after.state === "waiting";
      const told = { ...entry, ...after, toNodeId: entry.toNodeId };
      latest = withRebalanceEntry(latest, isRefused ? { ...told, state: "skipped" } : told);
    }
    if (latest !== operation) await this.#write(latest);
  }

  /** The entry after the attempt. @param targetNodeId empty = the scheduler chooses */
  async #move({ id }: Operation, entry: DrainEntry, targetNodeId: string): Promise<DrainEntry> {
    const { projectId, guestId, guestUid } = entry;
    const requestId = `${id}.${guestUid}.${entry.attempts}`;
    const downtimeMsMax = undefined;
    const input = { projectId, guestId, requestId, targetNodeId, downtimeMsMax };
    try {
      const operationId = await migrateGuest(this.#commands(), input);
      const guest = this.context.mirror.guestByUid(guestUid)?.value;
      const toNodeId = guest?.status.migration?.target.nodeId ?? targetNodeId;
      const attempts = entry.attempts + 1;
      return { ...entry, state: "moving", toNodeId, operationId, attempts, message: "" };
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      return { ...entry, message: toDomainError(error).message };
    }
  }

  /** Commands as a user would give them, fenced as everything that a leader writes (I4). */
  #commands(): MigrateContext {
    const { mirror, clock, ids, leader } = this.context;
    const { nodeViews, findRequest, sessions } = this.parts;
    const commit: CommandContext["store"]["commit"] = async (transaction) => {
      const [result] = await leader.commitAll([transaction]);
      if (result === undefined) throw new Error("each transaction is answered");
      return result;
    };
    return {
      mirror,
      clock,
      ids,
      nodeViews,
      ...(sessions && { sessions }),
      store: { commit, findRequest },
    };
  }

  async #write(operation: Operation): Promise<void> {
    const key = recordKey("operation", operation.id);
    const found = this.context.mirror.operation(operation.id);
    if (found === undefined) return;
    const [result] = await this.context.leader.commitAll([
      {
        checks: [{ key, revision: found.revision }],
        puts: [{ key, value: operation }],
        deletes: [],
        counters: hasDrained(operation) ? emptyOnly(operation) : [],
      },
    ]);
    if (result?.isCommitted) await this.context.mirrored(result.revision);
  }
}

/** Refused while anything is held there, also what was placed a moment ago after an uncordon. */
function emptyOnly({ drain }: Operation): Transaction["counters"] {
  const key = nodeCounter(drain?.nodeId ?? "", "cpuMillis");
  return [
    { key, delta: 1, max: 1 },
    { key, delta: -1, max: undefined },
  ];
}

function hasDrained({ state, drain }: Operation): boolean {
  return state === "succeeded" && drain !== undefined;
}

function isDrain(operation: Operation): operation is DrainOperation {
  return operation.drain !== undefined;
}

function isRebalance(operation: Operation): operation is RebalanceOperation {
  return operation.rebalance !== undefined;
}

function guestsOf(mirror: LoopContext["mirror"], nodeId: string): readonly Guest[] {
  const found = [...mirror.guestsOn(nodeId)].map((uid) => mirror.guestByUid(uid)?.value);
  return found.filter((guest) => guest !== undefined);
}
