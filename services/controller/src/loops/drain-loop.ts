/**
 * Carries out drains: asks `planDrain` what is next whenever something has changed, writes the
 * ledger, begins migrations. A leader that takes over goes on from the ledger and the guests.
 */
import {
  DomainError,
  type Drain,
  type DrainEntry,
  type Guest,
  isDone,
  nodeCounter,
  type Operation,
  placementsOf,
  planDrain,
  recordKey,
  type Transaction,
  toDomainError,
  withEntry,
} from "@innkeeper/core";
import type { CommandContext } from "../commands/command-context.js";
import { migrateGuest, whyNotMovable } from "../commands/migrate-guest.js";
import type { LoopContext } from "./loop-context.js";
import type { NodeViews } from "./node-views.js";

const LOOK_AFTER_MS = 100;
/** How long a guest may stand still at the end of its move. */
const DOWNTIME_MS_MAX = 300;

type DrainOperation = Operation & { readonly drain: Drain };

export class DrainLoop {
  #isDue = false;
  #isOver = false;
  #isRunning = false;
  #stop: () => void = () => undefined;

  constructor(
    private readonly context: LoopContext,
    private readonly parts: {
      readonly nodeViews: NodeViews;
      readonly findRequest: CommandContext["store"]["findRequest"];
    },
  ) {}

  /** Something may have changed. Looked at soon, many changes at once. */
  check(): void {
    if (this.#isDue || this.#isOver) return;
    this.#isDue = true;
    this.#stop = this.context.clock.schedule(LOOK_AFTER_MS, () => void this.#run());
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
      this.context.log.warn({ error }, "a drain failed for now and goes on later");
    }
    this.#isRunning = false;
  }

  #running(): readonly DrainOperation[] {
    const all = this.context.mirror.operations();
    return all.filter((each): each is DrainOperation => each.drain !== undefined && !isDone(each));
  }

  async #step(operation: DrainOperation): Promise<void> {
    const { mirror, clock } = this.context;
    const { nodeId } = operation.drain;
    const plan = planDrain({
      operation,
      guestsThere: mirror.guests().filter((guest) => isGiven(guest, nodeId)),
      guestByUid: (uid) => mirror.guestByUid(uid)?.value,
      operationById: (id) => mirror.operation(id)?.value,
      whyNot: (guest) => whyNotMovable(this.context, guest),
      nowMs: clock.nowMs(),
    });
    let latest = plan.operation;
    for (const entry of plan.moves) latest = withEntry(latest, await this.#move(operation, entry));
    if (latest !== operation) await this.#write(latest);
  }

  /** The entry after the attempt. */
  async #move({ id }: Operation, entry: DrainEntry): Promise<DrainEntry> {
    const { projectId, guestId, guestUid } = entry;
    const requestId = `${id}.${guestUid}.${entry.attempts}`;
    const input = {
      projectId,
      guestId,
      requestId,
      targetNodeId: "",
      downtimeMsMax: DOWNTIME_MS_MAX,
    };
    try {
      const operationId = await migrateGuest(this.#commands(), input);
      const guest = this.context.mirror.guestByUid(guestUid)?.value;
      const toNodeId = guest?.status.migration?.target.nodeId ?? "";
      const attempts = entry.attempts + 1;
      return { ...entry, state: "moving", toNodeId, operationId, attempts, message: "" };
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      return { ...entry, message: toDomainError(error).message };
    }
  }

  /** Commands as a user would give them, fenced as everything that a leader writes (I4). */
  #commands(): CommandContext & { readonly nodeViews: NodeViews } {
    const { mirror, clock, ids, leader } = this.context;
    const { nodeViews, findRequest } = this.parts;
    const commit: CommandContext["store"]["commit"] = async (transaction) => {
      const [result] = await leader.commitAll([transaction]);
      if (result === undefined) throw new Error("each transaction is answered");
      return result;
    };
    return { mirror, clock, ids, nodeViews, store: { commit, findRequest } };
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
        counters: operation.state === "succeeded" ? emptyOnly(operation) : [],
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

function isGiven(guest: Guest, nodeId: string): boolean {
  return placementsOf(guest).some((each) => each.nodeId === nodeId);
}
