/**
 * Snapshots of a running machine: of all its disks at one moment by a transaction, or with its
 * memory by a job of QEMU, during which the machine stands still.
 */
import { type Clock, type CopySnapshot, noSnapshots } from "@innkeeper/core";
import type { QmpClient } from "./qmp-client.js";

/** Node with the file that holds the memory; there only while that is written or read. */
const STATE = "vmstate";
const JOB = "vmstate-job";
const POLL_MS = 10;
/** What a disk's own layer is called: see disk-arguments.ts. */
const IMAGE_NODE = /^(.+)-image$/;

export interface CopySnapshotsParts {
  readonly qmp: QmpClient;
  readonly clock: Clock;
}

/** @throws `precondition`: NO_SNAPSHOTS, ENGINE_REFUSED. */
export async function takeSnapshot(
  parts: CopySnapshotsParts,
  { uid, statePath }: CopySnapshot,
): Promise<void> {
  const disks = await imagesOf(parts.qmp);
  if (disks.length === 0) throw noSnapshots("the machine has no disk");
  if (statePath !== undefined) {
    await withState(parts, { job: "snapshot-save", uid, statePath, disks });
    return;
  }
  const actions = disks.map(({ name }) => {
    const data = { device: name, name: uid };
    return { type: "blockdev-snapshot-internal-sync", data } as const;
  });
  await parts.qmp.execute("transaction", { actions });
}

export async function removeSnapshot({ qmp }: CopySnapshotsParts, uid: string): Promise<void> {
  for (const { name, snapshots } of await imagesOf(qmp)) {
    if (!snapshots.includes(uid)) continue;
    await qmp.execute("blockdev-snapshot-delete-internal-sync", { device: name, name: uid });
  }
}

/** On a machine that has not run yet. @throws `precondition` (ENGINE_REFUSED). */
export async function loadSnapshot(
  parts: CopySnapshotsParts,
  { uid, statePath }: CopySnapshot & { readonly statePath: string },
): Promise<void> {
  const disks = (await imagesOf(parts.qmp)).filter(({ snapshots }) => snapshots.includes(uid));
  await withState(parts, { job: "snapshot-load", uid, statePath, disks });
}

interface Image {
  /** The disk's. */
  readonly name: string;
  readonly node: string;
  readonly snapshots: readonly string[];
}

async function imagesOf(qmp: QmpClient): Promise<Image[]> {
  const nodes = await qmp.execute("query-named-block-nodes", { flat: true });
  return nodes.flatMap(({ "node-name": node, image }) => {
    const name = IMAGE_NODE.exec(node)?.[1];
    const snapshots = (image?.snapshots ?? []).map((each) => each.name);
    return name === undefined ? [] : [{ name, node, snapshots }];
  });
}

async function withState(
  { qmp, clock }: CopySnapshotsParts,
  order: {
    readonly job: "snapshot-save" | "snapshot-load";
    readonly uid: string;
    readonly statePath: string;
    readonly disks: readonly Image[];
  },
): Promise<void> {
  const { job, uid: tag, statePath: filename, disks } = order;
  await clean(qmp, clock);
  const file = { driver: "file", filename };
  await qmp.execute("blockdev-add", { driver: "qcow2", "node-name": STATE, file });
  const devices = [...disks.map(({ node }) => node), STATE];
  try {
    await qmp.execute(job, { "job-id": JOB, tag, vmstate: STATE, devices });
    const error = await jobEnd(qmp, clock);
    if (error !== undefined) throw noSnapshots(error);
  } finally {
    await clean(qmp, clock);
  }
}

/** Nothing of an earlier attempt is left. */
async function clean(qmp: QmpClient, clock: Clock): Promise<void> {
  const jobs = await qmp.execute("query-jobs");
  if (jobs.some(({ id }) => id === JOB)) {
    await jobEnd(qmp, clock);
    await qmp.execute("job-dismiss", { id: JOB });
  }
  const nodes = await qmp.execute("query-named-block-nodes", { flat: true });
  const isThere = nodes.some((node) => node["node-name"] === STATE);
  if (isThere) await qmp.execute("blockdev-del", { "node-name": STATE });
}

/** Why the job failed; undefined when it did not. */
async function jobEnd(qmp: QmpClient, clock: Clock): Promise<string | undefined> {
  for (;;) {
    const job = (await qmp.execute("query-jobs")).find(({ id }) => id === JOB);
    if (job === undefined || job.status === "concluded") return job?.error;
    await new Promise<void>((resolve) => {
      clock.schedule(POLL_MS, resolve);
    });
  }
}
