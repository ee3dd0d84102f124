/** The demo's middle: what is refused, and how it is said. */

import { PlacementPolicy } from "@innkeeper/proto/innkeeper/v1/placement_policy";
import { createOwn, finished, refusal, untilGuest } from "./guests.js";
import type { Stage } from "./stage.js";
import { must } from "./story.js";

const QUOTA_MIB = 256;
const TOO_MUCH_MIB = 512;
/** 16 TiB: the most that can be asked for. */
const HUGE_MIB = 16 * 1024 * 1024;

export async function overQuota(stage: Stage): Promise<void> {
  const { story, client } = stage;
  await story.step("A request over its project's quota is refused, with numbers", async () => {
    const quota = {
      guests: undefined,
      cpuMillis: undefined,
      memoryMib: QUOTA_MIB,
      diskMib: undefined,
    };
    await client.projects.createProject({
      project: {
        id: "team-a",
        parentId: "",
        placementPolicy: PlacementPolicy.UNSPECIFIED,
        quota,
        usage: undefined,
        etag: "",
        createTime: undefined,
        updateTime: undefined,
      },
      requestId: "",
    });
    const error = await refusal(() =>
      createOwn(stage, {
        id: "greedy",
        image: "linux",
        mode: "auto",
        memoryMib: TOO_MUCH_MIB,
        projectId: "team-a",
      }),
    );
    story.say(`${error.reason}: ${error.message}`);
    must(error.reason === "QUOTA_EXCEEDED", "the refusal is about the quota");
    must(error.metadata["limit"] === String(QUOTA_MIB), "the refusal names the limit");
    story.record({ quotaReason: error.reason });
  });
}

export async function fitsNowhere(stage: Stage): Promise<void> {
  const { story, client } = stage;
  await story.step("A request that fits nowhere waits, and says why", async () => {
    const guest = { id: "huge", image: "linux", mode: "auto", memoryMib: HUGE_MIB } as const;
    const operation = await createOwn(stage, guest);
    const waiting = await untilGuest(
      stage,
      "huge",
      ({ status }) => status?.reason === "NOTHING_FITS",
    );
    const rejections = waiting.status?.rejections ?? [];
    for (const { nodeId, filter, message } of rejections)
      story.say(`${nodeId}: ${filter} ${message}`);
    const { nodes } = await client.nodes.listNodes({ pageSize: 0, pageToken: "" });
    must(rejections.length === nodes.length, "every node says why not");
    must(
      rejections.every(({ need, have }) => need === HUGE_MIB && (have ?? HUGE_MIB) < HUGE_MIB),
      "every reason has its numbers",
    );
    await client.operations.cancelOperation({ operationId: operation.id, requestId: "" });
    const cancelled = await refusal(() => finished(client, operation));
    must(cancelled.kind === "cancelled", "the waiting request was cancelled");
    story.say("cancelled by its user");
    story.record({ nowhereRejections: rejections.length });
  });
}
