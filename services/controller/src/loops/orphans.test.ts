import { aCopyReport, aGuest } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { orphanOrder } from "./orphans.js";

describe("a copy on a node", () => {
  it("that the record places there is left alone", () => {
    const guest = aGuest({ onNode: "n1", intent: 5 });
    expect(orphanOrder("n1", aCopyReport({ intent: 3 }), guest)).toBeUndefined();
  });

  it("that the record places elsewhere is removed, with the record's intent", () => {
    const guest = aGuest({ onNode: "n2", intent: 5 });
    const order = orphanOrder("n1", aCopyReport({ intent: 3, state: "sent" }), guest);
    expect(order).toMatchObject({ desired: "absent", intent: 5, guestUid: guest.uid });
  });

  it("that was told so already is not told again: the next intent is the record's to give", () => {
    const guest = aGuest({ onNode: "n2", intent: 5 });
    const report = aCopyReport({ intent: 5, state: "stopping" });
    expect(orphanOrder("n1", report, guest)).toBeUndefined();
  });

  it("of a guest that is deleted, or older than it was, is removed with a higher intent", () => {
    const report = aCopyReport({ intent: 7 });
    expect(orphanOrder("n1", report, undefined)).toMatchObject({ desired: "absent", intent: 8 });
    const guest = aGuest({ onNode: "n2", intent: 5 });
    expect(orphanOrder("n1", report, guest)).toMatchObject({ desired: "absent", intent: 8 });
  });

  it("that is gone needs nothing", () => {
    expect(orphanOrder("n1", aCopyReport({ state: "absent" }), undefined)).toBeUndefined();
  });
});
