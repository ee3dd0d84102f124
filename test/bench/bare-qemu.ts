/** The baseline: the same QEMU, with the same arguments, started by hand. */
import { readFileSync, rmSync } from "node:fs";
import path from "node:path";
import type { CopyLaunch } from "@innkeeper/core";
import { randomIdSource, systemClock } from "@innkeeper/core/platform";
import { CopyDirectory } from "../../services/node-agent/src/engines/qemu/copy-directory.js";
import { hostTscKhz } from "../../services/node-agent/src/engines/qemu/host-tsc.js";
import { qemuArguments } from "../../services/node-agent/src/engines/qemu/machine.js";
import type { QemuMode } from "../../services/node-agent/src/engines/qemu/modes.js";
import { QemuProcess } from "../../services/node-agent/src/engines/qemu/qemu-process.js";
import { QmpClient } from "../../services/node-agent/src/engines/qemu/qmp-client.js";
import { until } from "./until.js";

export interface StartTimes {
  /** From the request until the guest's vCPUs run. */
  readonly runningMs: number;
  /** From the request until the first byte is in the guest's console log. */
  readonly firstByteMs: number;
}

export interface BareGuest {
  readonly mode: QemuMode;
  readonly memoryMib: number;
  readonly boot: CopyLaunch["boot"];
}

/** Those that run now; a benchmark that fails ends them. */
export class BareGuests {
  readonly #running = new Set<QemuProcess>();

  constructor(private readonly root: string) {}

  async start(guest: BareGuest): Promise<StartedBare> {
    return await startBare(this.root, guest, this.#running);
  }

  endAll(): void {
    for (const process of this.#running) process.kill();
  }
}

export interface StartedBare {
  readonly times: StartTimes;
  /** Kills it; gives how long that took, in milliseconds. */
  readonly end: () => Promise<number>;
}

async function startBare(
  root: string,
  guest: BareGuest,
  running: Set<QemuProcess>,
): Promise<StartedBare> {
  const guestUid = randomIdSource.uuid();
  const launch = {
    ...guest,
    guestUid,
    epoch: 1,
    vcpuCount: 1,
    cpuMillis: 1000,
    disks: [],
    isIncoming: false,
  };
  const directory = new CopyDirectory(root, launch);
  const startedMs = performance.now();
  await directory.make(undefined);
  const machine = { mode: guest.mode, acceleration: "tcg", tscKhz: hostTscKhz() } as const;
  const process = await QemuProcess.start({
    command: ["qemu-system-x86_64", ...qemuArguments(launch, machine)],
    opened: [],
    directory,
    clock: systemClock,
  });
  running.add(process);
  const firstByte = until(() => hasConsoleBytes(directory.file("console")), "a console byte").then(
    () => performance.now() - startedMs,
  );
  const qmp = await connect(directory);
  await qmp.negotiate();
  const runningMs = performance.now() - startedMs;
  const times: StartTimes = { runningMs, firstByteMs: await firstByte };
  const end = async (): Promise<number> => {
    const endedMs = performance.now();
    process.kill();
    await process.isGoneWithin(10_000);
    running.delete(process);
    rmSync(directory.path, { recursive: true });
    return performance.now() - endedMs;
  };
  return { times, end };
}

async function connect(directory: CopyDirectory): Promise<QmpClient> {
  let qmp: QmpClient | undefined;
  await until(async () => {
    qmp = await directory.withSocketPath("monitor", (address) => QmpClient.open(address));
    return qmp !== undefined;
  }, "the monitor");
  return qmp as unknown as QmpClient;
}

export function hasConsoleBytes(file: string): boolean {
  try {
    return readFileSync(file).length > 0;
  } catch {
    return false;
  }
}

export function consoleOf(agentDirectory: string, guestUid: string): string {
  return path.join(agentDirectory, "guests", `${guestUid}.1`, "console.log");
}
