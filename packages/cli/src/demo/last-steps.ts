/** The demo's end: an agent dies and its guests do not; all is removed. */
import { GuestPhase } from "@innkeeper/proto/innkeeper/v1/guest";
import { finished, get, nodeOf, untilGuest } from "./guests.js";
import { HeartbeatWatch } from "./heartbeat-watch.js";
import type { OwnCluster, Stage } from "./stage.js";
import { must } from "./story.js";

const BEAT_TIMEOUT_MS = 30_000;

export async function agentDies(stage: Stage, own: OwnCluster): Promise<void> {
  const { story } = stage;
  const { processes, controller, agents } = own;
  await story.step(
    "A node agent is killed (kill -9); its guests run on and are adopted",
    async () => {
      const nodeId = nodeOf(await get(stage, "db"));
      const agent = agents.get(nodeId);
      must(agent !== undefined, `node ${nodeId} has an agent`);
      const before = await guestsOn(stage, nodeId);
      const processesBefore = processes.guestProcesses(nodeId);
      const lastBeat = await newestBeat(stage, "db");
      await processes.kill(agent);
      const startedMs = performance.now();
      const again = await processes.startAgent(nodeId, controller.address);
      agents.set(nodeId, again);
      await untilGuest(stage, "db", ({ status }) => status?.phase === GuestPhase.RUNNING);
      const nextBeat = await newestBeat(stage, "db", lastBeat);
      const adoptMs = Math.round(performance.now() - startedMs);
      const processesAfter = processes.guestProcesses(nodeId);
      must(
        again.adoptedCount === before.length,
        `all ${before.length} guests of ${nodeId} adopted`,
      );
      must(
        String(processesAfter) === String(processesBefore),
        "the hypervisor processes are the same",
      );
      for (const guest of before) {
        const { status } = await get(stage, guest.id);
        must(status?.restartCount === 0, `${guest.id} was not restarted`);
      }
      const names = before.map(({ id }) => id).join(", ");
      story.say(`agent of ${nodeId} killed and started again: ${names} adopted, none restarted`);
      const pids = processesAfter.join(", ");
      story.say(`heartbeat ${lastBeat} before, ${nextBeat} after; hypervisor pids ${pids}`);
      story.record({ adoptedCount: again.adoptedCount, adoptMs, restartsAfterKill: 0 });
    },
  );
}

async function guestsOn({ client }: Stage, nodeId: string) {
  const page = { projectId: "default", pageSize: 0, pageToken: "", minRevision: 0 };
  const { guests } = await client.guests.listGuests(page);
  return guests.filter((guest) => nodeOf(guest) === nodeId);
}

/** Number of the newest heartbeat, after one that is known. */
async function newestBeat(stage: Stage, guestId: string, after = 0): Promise<number> {
  const watch = new HeartbeatWatch(stage, guestId);
  const isNew = (): boolean => (watch.beats.at(-1)?.number ?? 0) > after;
  await watch.until(isNew, `${guestId} beats`, BEAT_TIMEOUT_MS);
  await watch.stop();
  return watch.beats.at(-1)?.number ?? 0;
}

export async function allRemoved(stage: Stage): Promise<void> {
  const { story, own } = stage;
  await story.step("All is removed; nothing is left behind", async () => {
    const startedMs = performance.now();
    const guestsDeleted = await removeMade(stage);
    const deleteMs = Math.round(performance.now() - startedMs);
    story.record({ guestsDeleted, deleteMs });
    if (own === undefined) {
      story.say(
        `${guestsDeleted} guests gone in ${deleteMs} ms; what was here before is as it was`,
      );
      return;
    }
    await nothingIsLeft(stage, own);
    story.say(`${guestsDeleted} guests gone in ${deleteMs} ms; no process, no file, no quota held`);
    story.record({ leftovers: 0 });
  });
}

async function nothingIsLeft({ client }: Stage, { processes }: OwnCluster): Promise<void> {
  const page = { projectId: "", pageSize: 0, pageToken: "", minRevision: 0 };
  const left = await client.guests.listGuests(page);
  must(left.guests.length === 0, "no guest is left");
  const { projects } = await client.projects.listProjects({ pageSize: 0, pageToken: "" });
  must(
    projects.every(({ usage }) => usage?.guests === 0),
    "no quota is held",
  );
  must(processes.allGuestProcesses().length === 0, "no hypervisor process is left");
  must(processes.guestFiles().length === 0, "no file of a guest is left");
  await processes.stopAll();
  must(processes.leftovers().length === 0, "no process of the cluster is left");
}

/** Removes what the demo made, and nothing else. @returns the number of guests. */
export async function removeMade({ client, made }: Stage): Promise<number> {
  const guests = [...made.guests];
  for (const guestId of guests) {
    const { operation } = await client.guests.deleteGuest({
      projectId: "",
      guestId,
      requestId: "",
    });
    await finished(client, operation);
    made.guests.delete(guestId);
  }
  for (const imageId of made.images) {
    await client.images.deleteImage({ imageId, requestId: "" });
    made.images.delete(imageId);
  }
  return guests.length;
}
