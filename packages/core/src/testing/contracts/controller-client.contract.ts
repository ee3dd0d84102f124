/**
 * What every way from an agent to the controllers must do (ports/controller-client.ts): pass
 * introductions, reports and answers on as they are, blobs byte by byte, errors with their kind.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { notFound, unavailable } from "../../domain/errors.js";
import type {
  ControllerClient,
  NodeIntroduction,
  NodeReport,
  ReportAnswer,
} from "../../ports/controller-client.js";
import { aCopyReport, aNode, aNodeReport } from "../builders.js";

export type ControllerHandler = Omit<ControllerClient, "close">;

export interface ControllerClientUnderTest {
  readonly client: ControllerClient;
  close(): Promise<void>;
}

type Open = (handler: ControllerHandler) => Promise<ControllerClientUnderTest>;

const ANSWER: ReportAnswer = {
  leaderEpoch: 3,
  leaseTtlMs: 8000,
  mustJoin: false,
  wantsFull: false,
  controllers: [],
};
const READING = {
  guestUid: aCopyReport().guestUid,
  cpuMs: 1500,
  memoryMib: 64,
  readAtMs: 123_456,
};
const HOLDERS = ["n1:7410", "n2:7410"];
const SHA256 = "0123456789abcdef".repeat(4);

class RecordingController implements ControllerHandler {
  readonly heard: unknown[] = [];
  answer = ANSWER;
  blob: Uint8Array = new Uint8Array(0);
  error: Error | undefined;

  join(node: NodeIntroduction): Promise<void> {
    this.heard.push(node);
    return this.error === undefined ? Promise.resolve() : Promise.reject(this.error);
  }

  report(report: NodeReport): Promise<ReportAnswer> {
    this.heard.push(report);
    return this.error === undefined ? Promise.resolve(this.answer) : Promise.reject(this.error);
  }

  findBlob(sha256: string, nodeId: string): Promise<readonly string[]> {
    this.heard.push([sha256, nodeId]);
    return this.error === undefined ? Promise.resolve(HOLDERS) : Promise.reject(this.error);
  }

  async *readBlob(sha256: string, offsetBytes: number): AsyncGenerator<Uint8Array> {
    this.heard.push(sha256);
    for (let start = offsetBytes; start < this.blob.length; start += 65_536) {
      yield this.blob.subarray(start, start + 65_536);
    }
    if (this.error !== undefined) throw this.error;
  }
}

export function controllerClientContract(name: string, open: Open): void {
  describe(`controller client contract: ${name}`, () => {
    let controller: RecordingController;
    let subject: ControllerClientUnderTest;
    beforeEach(async () => {
      controller = new RecordingController();
      subject = await open(controller);
    });
    afterEach(async () => {
      await subject.close();
    });

    it("passes an introduction on as it is", async () => {
      const node = introduction();
      await subject.client.join(node);
      expect(controller.heard).toEqual([node]);
    });

    it("passes reports and answers on as they are", async () => {
      const report = aReport();
      expect(await subject.client.report(report)).toEqual(ANSWER);
      controller.answer = { ...ANSWER, mustJoin: true, controllers: ["c1:7400", "c2:7400"] };
      expect(await subject.client.report({ ...report, isFull: false, copies: [] })).toEqual(
        controller.answer,
      );
      expect(controller.heard).toEqual([report, { ...report, isFull: false, copies: [] }]);
    });

    it("passes a blob on byte by byte, also an empty one", async () => {
      expect(await read(subject.client)).toHaveLength(0);
      controller.blob = Buffer.alloc(1_000_000, "innkeeper");
      expect((await read(subject.client)).equals(controller.blob)).toBe(true);
    });

    it("passes a blob on from any byte on", async () => {
      controller.blob = Buffer.alloc(300_000, "innkeeper");
      const rest = await read(subject.client, 123_456);
      expect(rest.equals(controller.blob.subarray(123_456))).toBe(true);
    });

    it("passes on who has a blob", async () => {
      expect(await subject.client.findBlob(SHA256, "n9")).toEqual(HOLDERS);
      expect(controller.heard).toEqual([[SHA256, "n9"]]);
    });

    it("breaks a blob's stream with the controller's error", async () => {
      controller.blob = Buffer.from("half");
      controller.error = notFound("blob", SHA256);
      await expect(read(subject.client)).rejects.toMatchObject({ kind: "not-found" });
    });

    it("passes errors on with their kind", async () => {
      controller.error = unavailable("leader", "this controller does not lead");
      const refusal = { kind: "unavailable", reason: "LEADER_UNAVAILABLE" };
      await expect(subject.client.join(introduction())).rejects.toMatchObject(refusal);
      await expect(subject.client.report(aReport())).rejects.toMatchObject(refusal);
    });
  });
}

function introduction(): NodeIntroduction {
  const { id, address, capacity, reserve, overcommitPercent } = aNode();
  const { abilities, incarnation } = aNode();
  const labels = { zone: "a" };
  const problems = ["no KVM here"];
  const amounts = { capacity, reserve, overcommitPercent };
  return { id, address, labels, ...amounts, abilities, problems, incarnation };
}

function aReport(): NodeReport {
  const { id: nodeId, incarnation } = aNode();
  return aNodeReport({
    nodeId,
    incarnation,
    isFull: true,
    copies: [aCopyReport()],
    usage: [READING],
  });
}

async function read(client: ControllerClient, offsetBytes = 0): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of client.readBlob(SHA256, offsetBytes)) parts.push(part);
  return Buffer.concat(parts);
}
