/**
 * The disks of a running machine: those that are missing are plugged, those that are too small
 * grow, those that are no longer wanted are unplugged. What is there is asked of QEMU each time, so
 * that it goes on from wherever an earlier attempt, or an earlier agent, was left.
 */
import { type Clock, type CopyDisk, diskInUse, noDiskHotplug } from "@innkeeper/core";
import { blockNodes, diskDevice, HOTPLUG_BRIDGE, nodeNames } from "./disk-arguments.js";
import type { QmpClient } from "./qmp-client.js";

const MIB = 1024 * 1024;
/** How long a guest may take to let go of a disk. */
const UNPLUG_TIMEOUT_MS = 8_000;
const POLL_MS = 20;
/** Only data disks come and go. */
const DATA_DISK = /^disk-/;
const FILE_NODE = /^(.+)-file$/;
const DEVICE = /^\/machine\/peripheral\/([^/]+)/;

export interface CopyDisksParts {
  readonly qmp: QmpClient;
  readonly clock: Clock;
}

/** @throws `precondition`: NO_LIVE_RESIZE, DISK_IN_USE. */
export async function setDisks(parts: CopyDisksParts, wanted: readonly CopyDisk[]): Promise<void> {
  const present = await presentDisks(parts.qmp);
  const missing = wanted.filter(({ name }) => !present.has(name));
  const old = (await openedDisks(parts.qmp)).filter((name) => isOld(name, wanted));
  if (missing.length + old.length > 0) await refuseWithoutBridge(parts.qmp);
  for (const name of old) await unplug(parts, name);
  for (const disk of wanted) {
    const sizeBytes = present.get(disk.name);
    if (sizeBytes === undefined) await plug(parts.qmp, disk);
    else if (sizeBytes < disk.sizeMib * MIB) await grow(parts.qmp, disk);
  }
}

function isOld(name: string, wanted: readonly CopyDisk[]): boolean {
  return DATA_DISK.test(name) && !wanted.some((each) => each.name === name);
}

/** What each disk's size is in bytes, by name. */
async function presentDisks(qmp: QmpClient): Promise<Map<string, number>> {
  const present = new Map<string, number>();
  for (const { qdev = "", inserted } of await qmp.execute("query-block")) {
    const [, name = qdev] = DEVICE.exec(qdev) ?? [];
    if (inserted !== undefined) present.set(name, inserted.image["virtual-size"]);
  }
  return present;
}

/** Names of disks whose files QEMU has open, be there a device for them or not. */
async function openedDisks(qmp: QmpClient): Promise<string[]> {
  const nodes = await qmp.execute("query-named-block-nodes", { flat: true });
  return nodes.flatMap((node) => FILE_NODE.exec(node["node-name"])?.[1] ?? []);
}

/** Files that it writes, as QEMU names them. */
export async function writtenFiles(qmp: QmpClient): Promise<string[]> {
  const nodes = await qmp.execute("query-named-block-nodes", { flat: true });
  return nodes.flatMap(({ "node-name": node, file, ro }) =>
    FILE_NODE.test(node) && !ro ? [file] : [],
  );
}

async function refuseWithoutBridge(qmp: QmpClient): Promise<void> {
  const devices = await qmp.execute("qom-list", { path: "/machine/peripheral" });
  if (!devices.some(({ name }) => name === HOTPLUG_BRIDGE.id)) throw noDiskHotplug();
}

async function plug(qmp: QmpClient, disk: CopyDisk): Promise<void> {
  await removeNodes(qmp, disk.name);
  try {
    for (const node of blockNodes(disk)) await qmp.execute("blockdev-add", node);
    await qmp.execute("device_add", diskDevice(disk, "hybrid", 0));
  } catch (error) {
    await removeNodes(qmp, disk.name);
    throw error;
  }
}

async function grow(qmp: QmpClient, { name, sizeMib }: CopyDisk): Promise<void> {
  await qmp.execute("block_resize", { "node-name": name, size: sizeMib * MIB });
}

/** QEMU lets go of the nodes some time after the device is gone for the guest. */
async function unplug({ qmp, clock }: CopyDisksParts, name: string): Promise<void> {
  if ((await presentDisks(qmp)).has(name)) await qmp.execute("device_del", { id: name });
  const deadlineMs = clock.monotonicMs() + UNPLUG_TIMEOUT_MS;
  while (!(await isClosed(qmp, name))) {
    if (clock.monotonicMs() > deadlineMs) throw diskInUse(name.replace(DATA_DISK, ""));
    await new Promise<void>((resolve) => {
      clock.schedule(POLL_MS, resolve);
    });
  }
}

async function isClosed(qmp: QmpClient, name: string): Promise<boolean> {
  if ((await presentDisks(qmp)).has(name)) return false;
  return await removeNodes(qmp, name).then(
    () => true,
    () => false,
  );
}

/** Those that are there, from the device's down to the file's. */
async function removeNodes(qmp: QmpClient, name: string): Promise<void> {
  const nodes = await qmp.execute("query-named-block-nodes", { flat: true });
  const present = nodes.map((node) => node["node-name"]);
  for (const each of nodeNames(name)) {
    if (present.includes(each)) await qmp.execute("blockdev-del", { "node-name": each });
  }
}
