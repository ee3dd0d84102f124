import type { AgentClient, ApplyAssignments, CopyReport } from "@innkeeper/core";
import { unavailable } from "@innkeeper/core";
import { aCopyReport, aNode, anAssignment, silentLogger } from "@innkeeper/core/testing";
import { beforeEach, describe, expect, it } from "vitest";
import { aBench, type CommandBench } from "../testing/command-bench.js";
import { AgentOutbox } from "./agent-outbox.js";

const A = "00000000-0000-4000-8000-00000000000a";
const B = "00000000-0000-4000-8000-00000000000b";

let bench: CommandBench;
let asked: ApplyAssignments[];
let answers: ((reports: readonly CopyReport[] | Error) => void)[];
let heard: string[];
let outbox: AgentOutbox;

beforeEach(async () => {
  bench = await aBench({ nodes: [aNode()] });
  asked = [];
  answers = [];
  heard = [];
  outbox = new AgentOutbox({
    mirror: bench.mirror,
    agents: { clientFor: () => agent },
    clock: bench.clock,
    log: silentLogger,
    leaderEpoch: () => 7,
    onReports: (nodeId, reports) => heard.push(`${nodeId} reports ${reports.length}`),
    onFailed: (nodeId, uids) => heard.push(`${nodeId} failed ${uids.length}`),
  });
});

describe("AgentOutbox", () => {
  it("sends what was decided in one turn together, with the leader's epoch (I4)", async () => {
    outbox.send("n1", anAssignment({ guestUid: A }));
    outbox.send("n1", anAssignment({ guestUid: B }));
    await bench.clock.advance(0);
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatchObject({ leaderEpoch: 7 });
    expect(asked[0]?.assignments.map((each) => each.guestUid)).toEqual([A, B]);
  });

  it("sends the newest of several for one guest", async () => {
    outbox.send("n1", anAssignment({ guestUid: A, intent: 1 }));
    outbox.send("n1", anAssignment({ guestUid: A, intent: 2 }));
    await bench.clock.advance(0);
    expect(asked[0]?.assignments.map((each) => each.intent)).toEqual([2]);
  });

  it("does not send again what is on its way, but does send what is newer", async () => {
    outbox.send("n1", anAssignment({ guestUid: A }));
    await bench.clock.advance(0);
    outbox.send("n1", anAssignment({ guestUid: A }));
    await bench.clock.advance(0);
    expect(asked).toHaveLength(1);
    outbox.send("n1", anAssignment({ guestUid: A, intent: 2 }));
    await bench.clock.advance(0);
    expect(asked).toHaveLength(2);
  });

  it("hands the reports on, and may send again afterwards", async () => {
    outbox.send("n1", anAssignment({ guestUid: A }));
    await bench.clock.advance(0);
    answers[0]?.([aCopyReport()]);
    await bench.clock.advance(0);
    expect(heard).toEqual(["n1 reports 1"]);
    outbox.send("n1", anAssignment({ guestUid: A }));
    await bench.clock.advance(0);
    expect(asked).toHaveLength(2);
  });

  it("says which guests a silent agent, or one that is not known, has not heard of", async () => {
    outbox.send("n1", anAssignment({ guestUid: A }));
    outbox.send("n9", anAssignment({ guestUid: B }));
    await bench.clock.advance(0);
    answers[0]?.(unavailable("agent", "it is away"));
    await bench.clock.advance(0);
    expect(heard.sort()).toEqual(["n1 failed 1", "n9 failed 1"]);
  });
});

const notAsked = () => {
  throw new Error("nobody asks for that here");
};

const agent: AgentClient = {
  apply: (request) => {
    asked.push(request);
    return new Promise((resolve, reject) => {
      answers.push((answer) => (answer instanceof Error ? reject(answer) : resolve(answer)));
    });
  },
  readConsole: () => Promise.reject(new Error("nobody reads here")),
  writeConsole: notAsked,
  exec: notAsked,
  exportDisk: notAsked,
  close: () => undefined,
};
