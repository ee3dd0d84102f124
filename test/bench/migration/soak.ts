/**
 * One guest that moves back and forth many times: each copy has to go on where the one before
 * stopped, and to find its memory as it was.
 */
import type { InnkeeperClient } from "@innkeeper/client";
import { GuestPhase } from "@innkeeper/proto/innkeeper/v1/guest";
import { create, finished } from "../../../packages/cli/src/demo/guests.js";
import { BeatRecord } from "../../integration/beat-record.js";
import type { BenchResult } from "../report.js";
import { until } from "../until.js";

const MOVES = 1000;
const TOLD_EVERY = 100;
/** A copy may print its last line again after it was stopped in the middle of it. */
const SLACK_BEATS = 2;
const GUEST = {
  id: "soak",
  image: "tiny",
  mode: "paravirt",
  memoryMib: 32,
  commandLine: "beat=100 fill=8 dirty=50 span=8",
} as const;

export async function soak(
  client: InnkeeperClient,
  directory: string,
  say: (line: string) => void,
): Promise<BenchResult[]> {
  const { guestUid } = await finished(client, await create(client, GUEST));
  const beats = new BeatRecord(directory, ["n1", "n2"], guestUid);
  let failed = 0;
  for (let move = 1; move <= MOVES; move += 1) {
    failed += (await hasMoved(client)) ? 0 : 1;
    const before = beats.last;
    await until(() => beats.last > before, "a beat after the move");
    await until(() => isRunning(client), "the guest to be known to run");
    if (move % TOLD_EVERY === 0) say(`${move} moves, ${wrongCopies(beats)} lost or doubled`);
  }
  beats.end();
  const unit = `of ${MOVES}`;
  return [
    { name: "lost-or-doubled", value: wrongCopies(beats) + (beats.isDamaged ? 1 : 0), unit },
    { name: "failed-moves", value: failed, unit },
  ];
}

async function hasMoved(client: InnkeeperClient): Promise<boolean> {
  const move = { projectId: "", guestId: GUEST.id, targetNodeId: "", requestId: "" };
  const request = { ...move, downtimeMsMax: 0, dryRun: false };
  const { operation } = await client.guests.migrateGuest(request);
  return await finished(client, operation).then(
    () => true,
    () => false,
  );
}

async function isRunning(client: InnkeeperClient): Promise<boolean> {
  const named = { projectId: "", guestId: GUEST.id, minRevision: 0 };
  const { guest } = await client.guests.getGuest(named);
  return guest?.status?.phase === GuestPhase.RUNNING;
}

/**
 * Copies that lived again what the one before had lived, or began anew. The last beats of a copy
 * may not have been seen before it was gone, so a gap says nothing.
 */
function wrongCopies(beats: BeatRecord): number {
  const copies = beats.copies();
  return copies.filter(({ first }, index) => {
    const former = copies[index - 1];
    return former !== undefined && first < former.last - SLACK_BEATS;
  }).length;
}
