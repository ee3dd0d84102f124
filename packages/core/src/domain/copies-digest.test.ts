import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { aCopyReport } from "../testing/builders.js";
import { COPY_STATES, type CopyReport } from "./assignment.js";
import { COPIES_DIGEST, copiesDigest } from "./copies-digest.js";

const copies = fc.uniqueArray(
  fc.record({
    guestUid: fc.uuid(),
    epoch: fc.nat(),
    intent: fc.nat(),
    generation: fc.nat(),
    state: fc.constantFrom(...COPY_STATES),
    restartCount: fc.nat(),
  }),
  { selector: (each) => each.guestUid, maxLength: 20 },
);

describe("the digest of what runs", () => {
  it("does not depend on the order, and leaves out what is gone", () => {
    fc.assert(
      fc.property(copies, (parts) => {
        const all = parts.map((each) => aCopyReport(each));
        const digest = copiesDigest(all);
        expect(digest).toMatch(COPIES_DIGEST);
        expect(copiesDigest([...all].reverse())).toBe(digest);
        expect(copiesDigest(all.filter((each) => each.state !== "absent"))).toBe(digest);
      }),
    );
  });

  const changes: readonly Partial<CopyReport>[] = [
    { epoch: 9 },
    { intent: 9 },
    { generation: 9 },
    { state: "failed" },
    { restartCount: 9 },
    { guestUid: "00000000-0000-4000-8000-0000000000ff" },
  ];
  it.each(changes)("changes with %o of one copy", (change) => {
    const other = aCopyReport({ guestUid: "00000000-0000-4000-8000-0000000000bb" });
    const before = copiesDigest([other, aCopyReport()]);
    expect(copiesDigest([other, aCopyReport(change)])).not.toBe(before);
  });

  it("tells nothing from a copy that is missing", () => {
    expect(copiesDigest([])).not.toBe(copiesDigest([aCopyReport()]));
  });
});
