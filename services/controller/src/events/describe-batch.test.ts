import type { Change } from "@innkeeper/core";
import { aGuest, aNode, anImage, anOperation, aProject } from "@innkeeper/core/testing";
import { expect, it } from "vitest";
import { describeBatch } from "./describe-batch.js";

const FAILED = aGuest({
  onNode: "n1",
  phase: "FAILED",
  status: { reason: "GUEST_ENDED", message: "it panicked" },
});

it.each<[string, Change, string]>([
  [
    "a guest",
    { key: "guest/default/g1", value: FAILED },
    "GUEST_FAILED: guest g1 is FAILED on n1 (GUEST_ENDED: it panicked)",
  ],
  [
    "a pending guest",
    { key: "guest/default/g1", value: aGuest() },
    "GUEST_PENDING: guest g1 is PENDING",
  ],
  [
    "a guest that is gone",
    { key: "guest/acme/g1", value: undefined },
    "GUEST_GONE: guest g1 is gone",
  ],
  [
    "an operation",
    { key: "operation/x", value: anOperation({ state: "succeeded", message: "RUNNING on n1" }) },
    "OPERATION_SUCCEEDED: create of g1: succeeded (RUNNING on n1)",
  ],
  [
    "a forgotten operation",
    { key: "operation/x", value: undefined },
    "OPERATION_FORGOTTEN: operation x was forgotten",
  ],
  [
    "a node",
    { key: "node/n1", value: aNode({ isCordoned: true }) },
    "NODE_READY: node n1 is ready, cordoned",
  ],
  ["a project", { key: "project/p", value: aProject() }, "PROJECT_WRITTEN: project p was written"],
  ["an image", { key: "image/i", value: anImage() }, "IMAGE_WRITTEN: image i was written"],
  ["a removed image", { key: "image/i", value: undefined }, "IMAGE_REMOVED: image i was removed"],
])("tells of %s", (_, change, told) => {
  const [event] = describeBatch({ revision: 7, atMs: 9, changes: [change] });
  expect(`${event?.reason}: ${event?.message}`).toBe(told);
  expect(event).toMatchObject({ revision: 7, atMs: 9 });
});

it("tells of each change of a batch, with kind, subject and project", () => {
  const events = describeBatch({
    revision: 1,
    atMs: 0,
    changes: [
      { key: "guest/acme/g1", value: undefined },
      { key: "operation/x", value: anOperation({ projectId: "acme" }) },
    ],
  });
  const subjects = events.map((each) => [each.subjectKind, each.subjectId, each.projectId]);
  expect(subjects).toEqual([
    ["guest", "g1", "acme"],
    ["operation", "g1", "acme"],
  ]);
});
