/**
 * I6: an operation ends once, and what it says when it ends is so: in the records, and on the
 * nodes.
 */
import { type Guest, kindOf, type Operation } from "@innkeeper/core";
import type { ObservedCommit } from "../records.js";
import { type Checker, Violation, type World } from "./checker.js";

export function truthfulOperations(world: World): Checker {
  /** Checked after the event: by then everything that the commit follows from is visible. */
  let succeeded: Operation[] = [];
  return {
    onCommit: (commit) => {
      for (const { key, before, value } of commit.changes) {
        if (kindOf(key) !== "operation" || value === undefined) continue;
        const operation = value as Operation;
        if (!hasJustSucceeded(before as Operation | undefined, operation)) continue;
        checkRecords(commit, world, operation);
        succeeded.push(operation);
      }
    },
    onEvent: () => {
      const ended = succeeded;
      succeeded = [];
      for (const operation of ended) checkNodes(world, operation);
    },
  };
}

/** True when it has succeeded just now. */
function hasJustSucceeded(before: Operation | undefined, now: Operation): boolean {
  if (now.state === before?.state) return false;
  if (before !== undefined && before.state !== "running") {
    throw new Violation("I6", `${describe(now)} ended as ${before.state}, then as ${now.state}`);
  }
  return now.state === "succeeded";
}

function checkRecords(commit: ObservedCommit, { records }: World, operation: Operation): void {
  if (operation.kind === "drain") {
    checkDrained(records, operation);
    return;
  }
  if (operation.kind === "rebalance" || operation.kind === "return") {
    checkRebalanced(operation);
    return;
  }
  const guest = records.guestByUid(operation.guestUid);
  if (operation.kind === "delete") {
    if (guest === undefined) return;
    throw new Violation("I6", `${describe(operation)} succeeded, the guest's record is there`);
  }
  if (guest === undefined) {
    throw new Violation("I6", `${describe(operation)} succeeded, the guest's record is gone`);
  }
  const isSo = RECORDED[operation.kind](guest);
  if (isSo) return;
  const status = `${guest.status.phase} (revision ${commit.revision})`;
  throw new Violation("I6", `${describe(operation)} succeeded, the guest is ${status}`);
}

function checkDrained(records: World["records"], operation: Operation): void {
  const left = records
    .guests()
    .find(({ status }) => status.placement?.nodeId === operation.drain?.nodeId);
  if (left === undefined) return;
  throw new Violation("I6", `${describe(operation)} succeeded, ${left.id} is still there`);
}

function checkRebalanced(operation: Operation): void {
  const entries = operation.rebalance?.entries ?? [];
  const odd = entries.find(({ state }) => !["moved", "gone", "skipped"].includes(state));
  if (odd === undefined) return;
  throw new Violation("I6", `${describe(operation)} succeeded, ${odd.guestId} is ${odd.state}`);
}

const RECORDED: Readonly<
  Record<
    Exclude<Operation["kind"], "delete" | "drain" | "rebalance" | "return">,
    (guest: Guest) => boolean
  >
> = {
  create: ({ status }) => ["RUNNING", "PAUSED", "STOPPED"].includes(status.phase),
  clone: ({ spec, status }) =>
    spec.cloneOf === undefined && ["RUNNING", "PAUSED", "STOPPED"].includes(status.phase),
  start: ({ status }) => ["RUNNING", "STOPPED"].includes(status.phase),
  stop: ({ status }) => status.phase === "STOPPED",
  pause: ({ status }) => status.phase === "PAUSED",
  resume: ({ status }) => status.phase === "RUNNING",
  migrate: ({ status }) => status.migration === undefined,
  resize: ({ status }) => status.resize === undefined,
  "take-snapshot": ({ status }) => status.resize === undefined,
  "remove-snapshot": ({ status }) => status.resize === undefined,
  restore: ({ status }) => ["RUNNING", "STOPPED"].includes(status.phase),
};

/**
 * Only for what cannot change by itself again: a guest that stopped or is gone stays so, and a
 * paused one unless it dies and is started anew.
 */
function checkNodes(world: World, operation: Operation): void {
  const { kind, guestUid } = operation;
  const isForGood = kind === "stop" || kind === "delete" || (kind === "pause" && !world.guestsDie);
  if (!isForGood) return;
  const running = world
    .copies()
    .find((copy) => copy.guestUid === guestUid && copy.run === "running");
  if (running === undefined) return;
  const where = `epoch ${running.epoch} on ${running.nodeId}`;
  throw new Violation("I6", `${describe(operation)} succeeded, the guest runs as ${where}`);
}

function describe({ kind, guestId, id }: Operation): string {
  return `${kind} of ${guestId} (${id.slice(0, 8)})`;
}
