/**
 * Who has to leave may be made to, leaves for a greater priority, has no disk to lose, and no more
 * of its group leave at a time than their budget allows.
 */
import { type Guest, heldBy, kindOf } from "@innkeeper/core";
import { type Checker, Violation, type World } from "./checker.js";

const NAME = "preemption";

export function evictions({ records }: World): Checker {
  return {
    onCommit: ({ changes }) => {
      const leaving = changes
        .filter(({ key, value }) => kindOf(key) === "guest" && value !== undefined)
        .map(({ value }) => value as Guest)
        .filter(({ status }) => status.eviction?.step === "stopping");
      for (const guest of leaving) check(guest, records.guests());
    },
  };
}

function check(guest: Guest, guests: readonly Guest[]): void {
  const { id, spec, status } = guest;
  const { priority = 0, isPreemptible } = spec;
  const by = status.eviction?.by.priority ?? 0;
  if (isPreemptible !== true) throw new Violation(NAME, `${id} leaves, and is not preemptible`);
  if (priority >= by) throw new Violation(NAME, `${id} (${priority}) leaves for one of ${by}`);
  if (heldBy(spec).diskMib > 0) throw new Violation(NAME, `${id} leaves, and has a disk`);
  checkBudget(guest, guests);
}

function checkBudget({ id, projectId, spec }: Guest, guests: readonly Guest[]): void {
  if (spec.disruptionBudget === undefined) return;
  const { downMax, guestLabel } = spec.disruptionBudget;
  const leaving = guests.filter(
    (each) =>
      each.projectId === projectId &&
      each.labels[guestLabel.key] === guestLabel.value &&
      each.status.eviction !== undefined,
  );
  const count = leaving.length;
  if (count > downMax) throw new Violation(NAME, `${count} leave, ${id} allows ${downMax}`);
}
