import { describe, expect, it } from "vitest";
import { aGuest } from "../testing/builders.js";
import { AssertionError } from "./assert.js";
import { mayFollow, withPhase } from "./guest-lifecycle.js";
import { GUEST_PHASES, type GuestPhase } from "./guest-phase.js";

/** A row and a column for each phase in the order of GUEST_PHASES: `x` = may follow. */
const TABLE: Readonly<Record<GuestPhase, string>> = {
  //            PEN PLA STA RUN PAU MIG ING STO FAI LOS DEL
  PENDING: "     .   x   .   .   .   .   .   x   x   .   x",
  PLACED: "      x   .   x   x   x   .   x   x   x   x   x",
  STARTING: "    .   .   .   x   x   .   x   x   x   x   x",
  RUNNING: "     .   .   x   .   x   x   x   x   x   x   x",
  PAUSED: "      .   .   x   x   .   .   x   x   x   x   x",
  MIGRATING: "   .   .   x   x   x   .   x   x   x   x   x",
  STOPPING: "    .   .   x   x   x   .   .   x   x   x   x",
  STOPPED: "     x   x   x   x   x   .   x   .   x   x   x",
  FAILED: "      x   x   x   x   x   .   x   x   .   x   x",
  LOST: "        .   x   x   x   x   x   x   x   x   .   x",
  DELETING: "    .   .   .   .   .   .   .   .   .   .   .",
};

const PAIRS = GUEST_PHASES.flatMap((from) =>
  GUEST_PHASES.map((to, column) => {
    const isLegal = TABLE[from].trim().split(/\s+/)[column] === "x";
    return { from, to, isLegal };
  }),
);

describe("guest lifecycle", () => {
  it.each(PAIRS)("from $from to $to: legal is $isLegal", ({ from, to, isLegal }) => {
    expect(mayFollow(from, to)).toBe(isLegal);
    const guest = aGuest({ phase: from });
    const change = (): unknown => withPhase(guest, { phase: to, reason: "R", message: "m" });
    if (isLegal || from === to) {
      expect(change()).toMatchObject({ status: { phase: to, reason: "R", message: "m" } });
    } else {
      expect(change).toThrow(AssertionError);
    }
  });

  it("changes nothing but phase, reason and message, and not the guest it was given", () => {
    const guest = aGuest({ onNode: "n1", phase: "RUNNING" });
    const copy = structuredClone(guest);
    const changed = withPhase(guest, { phase: "PAUSED", reason: "R", message: "m" });
    expect(guest).toEqual(copy);
    expect(changed).toEqual({
      ...guest,
      status: { ...guest.status, phase: "PAUSED", reason: "R", message: "m" },
    });
  });
});
