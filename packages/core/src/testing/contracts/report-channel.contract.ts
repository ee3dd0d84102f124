/**
 * What every way of a node's reports to the leader must do (ports/controller-client.ts): each
 * report arrives as it was, each gets its own answer, each failure arrives as the error it was.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DomainError, ERROR_KINDS } from "../../domain/errors.js";
import type { NodeReport, ReportAnswer } from "../../ports/controller-client.js";
import { aCopyReport, aNodeReport } from "../builders.js";
import { forEachSeedAsync, type Prng } from "../prng.js";

export type ReportHandler = (report: NodeReport) => Promise<ReportAnswer>;

export interface ReportWay {
  report(report: NodeReport): Promise<ReportAnswer>;
  /** Serves by the handler until the returned function is called. */
  serve(handle: ReportHandler): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

const ANSWER: ReportAnswer = {
  leaderEpoch: 7,
  leaseTtlMs: 8_000,
  mustJoin: false,
  wantsFull: false,
  controllers: [],
};

export function reportChannelContract(name: string, open: () => Promise<ReportWay>): void {
  describe(`report channel contract: ${name}`, () => {
    let way: ReportWay;
    beforeEach(async () => {
      way = await open();
    });
    afterEach(async () => await way.close());
    describe("reports and answers", () => carries(() => way));
    describe("failures", () => fails(() => way));
  });
}

function carries(way: () => ReportWay): void {
  it("carries every report as it is, and every answer", async () => {
    const seen: NodeReport[] = [];
    let answer = ANSWER;
    await way().serve(async (report) => {
      seen.push(report);
      return answer;
    });
    await forEachSeedAsync(20, async (prng) => {
      const report = someReport(prng);
      answer = { ...ANSWER, leaseTtlMs: prng.integer(1, 9_000), mustJoin: prng.chance(0.5) };
      expect(await way().report(report)).toEqual(answer);
      expect(seen.at(-1)).toEqual(report);
    });
    expect(seen).toHaveLength(20);
  });

  it("gives each of many at once its own answer, whatever the order of answering", async () => {
    const held: (() => void)[] = [];
    await way().serve((report) => {
      const answer = { ...ANSWER, leaseTtlMs: report.sequence };
      return new Promise((resolve) => {
        held.push(() => resolve(answer));
        if (held.length === 50) for (const release of held.reverse()) release();
      });
    });
    const sequences = Array.from({ length: 50 }, (_, index) => index + 1);
    const asked = sequences.map((sequence) => way().report(aNodeReport({ sequence })));
    const answers = await Promise.all(asked);
    expect(answers.map((each) => each.leaseTtlMs)).toEqual(sequences);
  });

  it("carries a report of a thousand copies", async () => {
    const copies = Array.from({ length: 1_000 }, () => aCopyReport());
    let count = 0;
    await way().serve(async (report) => {
      count = report.copies.length;
      return ANSWER;
    });
    await way().report(aNodeReport({ isFull: true, copies }));
    expect(count).toBe(1_000);
  });
}

function fails(way: () => ReportWay): void {
  it.each(ERROR_KINDS.filter((kind) => kind !== "internal"))(
    "tells a failure of kind %s as it is",
    async (kind) => {
      const error = new DomainError({
        kind,
        reason: "SOME_REASON",
        message: "not now, ä\n😀",
        metadata: { nodeId: "n1" },
      });
      await way().serve(() => Promise.reject(error));
      const thrown = await way()
        .report(aNodeReport())
        .catch((each: unknown) => each);
      expect(thrown).toBeInstanceOf(DomainError);
      expect((thrown as DomainError).detail).toEqual(error.detail);
    },
  );

  it("shows nothing of a bug but that there is one", async () => {
    await way().serve(() => Promise.reject(new Error("password=secret")));
    const thrown = await way()
      .report(aNodeReport())
      .catch((each: unknown) => each);
    expect(thrown).toMatchObject({ kind: "internal" });
    expect((thrown as DomainError).message).not.toContain("secret");
  });

  it("says unavailable or timeout when nobody serves, any more or yet", async () => {
    const nobody = { kind: expect.stringMatching(/^(unavailable|timeout)$/) };
    await expect(way().report(aNodeReport())).rejects.toMatchObject(nobody);
    const stop = await way().serve(async () => ANSWER);
    await stop();
    await expect(way().report(aNodeReport())).rejects.toMatchObject(nobody);
    await way().serve(async () => ANSWER);
    const answered = async () => expect(await way().report(aNodeReport())).toEqual(ANSWER);
    await vi.waitFor(answered, { timeout: 10_000, interval: 10 });
  });

  it("gives up on an answer that does not come", async () => {
    await way().serve(() => new Promise(() => undefined));
    await expect(way().report(aNodeReport())).rejects.toMatchObject({ kind: "timeout" });
  });
}

function someReport(prng: Prng): NodeReport {
  const copies = Array.from({ length: prng.integer(0, 5) }, () =>
    aCopyReport({
      epoch: prng.integer(1, 100),
      intent: prng.integer(1, 100),
      state: prng.pick(["running", "paused", "absent"] as const),
    }),
  );
  const isFull = prng.chance(0.5);
  return aNodeReport({ sequence: prng.integer(1, 2 ** 40), isFull, copies });
}
