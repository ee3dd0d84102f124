/**
 * I5: what was acknowledged to a client stays: its operation is in the store, what it set was set,
 * and no guest record vanishes or goes back without somebody having deleted the guest.
 */
import { type Guest, kindOf, type Operation, type RecordValue } from "@innkeeper/core";
import type { ObservedChange } from "../records.js";
import { type Checker, Violation, type World } from "./checker.js";

/** An acknowledgement that reached a client. */
export interface Acknowledged {
  readonly what: string;
  /** The operation it named, if it did. */
  readonly operationId: string | undefined;
  /** Holds for some record that was ever committed. */
  readonly wasSet: ((value: RecordValue) => boolean) | undefined;
}

export interface DurableMutations extends Checker {
  acknowledged(ack: Acknowledged): void;
}

export function durableMutations({ records }: World): DurableMutations {
  const promised = new Map<string, string>();
  const history: RecordValue[] = [];
  return {
    acknowledged: ({ what, operationId, wasSet }) => {
      if (operationId !== undefined) promised.set(operationId, what);
      if (operationId !== undefined && records.operation(operationId) === undefined) {
        throw new Violation("I5", `${what} was acknowledged, its operation does not exist`);
      }
      if (wasSet !== undefined && !history.some(wasSet)) {
        throw new Violation("I5", `${what} was acknowledged and never committed`);
      }
    },
    onCommit: ({ changes }) => {
      for (const change of changes) {
        if (change.value !== undefined) history.push(change.value);
        checkChange(change, promised);
      }
    },
  };
}

function checkChange(
  { key, before, value }: ObservedChange,
  promised: ReadonlyMap<string, string>,
): void {
  const kind = kindOf(key);
  if (kind === "guest") checkGuest(before as Guest | undefined, value as Guest | undefined);
  if (kind !== "operation" || value !== undefined) return;
  const what = promised.get((before as Operation).id) ?? "that nobody was promised";
  throw new Violation("I5", `the operation of ${what} vanished`);
}

const GROWING = ["generation", "intent"] as const;

function checkGuest(before: Guest | undefined, after: Guest | undefined): void {
  if (before === undefined) return;
  if (after === undefined) {
    if (before.isDeleting) return;
    throw new Violation("I5", `guest ${before.id} vanished, nobody had deleted it`);
  }
  if (after.uid !== before.uid) throw new Violation("I5", `guest ${before.id} was replaced`);
  const isBack = GROWING.some((field) => after[field] < before[field]);
  if (isBack || after.status.epochLast < before.status.epochLast) {
    throw new Violation("I5", `guest ${before.id} went back to an older state`);
  }
  if (before.isDeleting && !after.isDeleting) {
    throw new Violation("I5", `the deletion of guest ${before.id} was forgotten`);
  }
}
