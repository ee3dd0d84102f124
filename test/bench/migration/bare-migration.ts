/** The baseline: two QEMU processes with the same arguments, driven by hand over their monitors. */
import { rmSync } from "node:fs";
import type { CopyLaunch } from "@innkeeper/core";
import { randomIdSource, systemClock } from "@innkeeper/core/platform";
import { CopyDirectory } from "../../../services/node-agent/src/engines/qemu/copy-directory.js";
import { hostTscKhz } from "../../../services/node-agent/src/engines/qemu/host-tsc.js";
import { qemuArguments } from "../../../services/node-agent/src/engines/qemu/machine.js";
import { QemuProcess } from "../../../services/node-agent/src/engines/qemu/qemu-process.js";
import { QmpClient } from "../../../services/node-agent/src/engines/qemu/qmp-client.js";
import { hasConsoleBytes } from "../bare-qemu.js";
import { until } from "../until.js";
import { BeatGap } from "./beats.js";
import { bootOf, type MigrationCase, type Moved, untilAged } from "./cases.js";

/** No slower than the network, as the product has it; QEMU's own limit would be 128 MiB/s. */
const BANDWIDTH_BYTES_PER_S = 100 * 1024 ** 3;

interface BareQemu {
  readonly process: QemuProcess;
  readonly qmp: QmpClient;
  readonly consoleFile: string;
  readonly directory: CopyDirectory;
}

export class BareMigrations {
  readonly #running = new Set<BareQemu>();

  constructor(private readonly root: string) {}

  /** QEMU's own settings, but for the bandwidth: it may stand still for 300 ms. */
  async move(each: MigrationCase): Promise<Moved> {
    const guestUid = randomIdSource.uuid();
    const source = await this.#start(each, { guestUid, epoch: 1 });
    await until(() => hasConsoleBytes(source.consoleFile), "the guest");
    await untilAged(performance.now());
    const target = await this.#start(each, { guestUid, epoch: 2 });
    try {
      return await moveBetween(source, target);
    } finally {
      await this.endAll();
    }
  }

  async endAll(): Promise<void> {
    const ending = [...this.#running];
    this.#running.clear();
    for (const { process, directory } of ending) {
      process.kill();
      await process.isGoneWithin(10_000);
      rmSync(directory.path, { recursive: true });
    }
  }

  async #start(
    each: MigrationCase,
    ref: { readonly guestUid: string; readonly epoch: number },
  ): Promise<BareQemu> {
    const launch: CopyLaunch = {
      ...ref,
      mode: "paravirt",
      memoryMib: each.memoryMib,
      boot: bootOf(each),
      vcpuCount: 1,
      cpuMillis: 1000,
      disks: [],
      isIncoming: ref.epoch > 1,
    };
    const directory = new CopyDirectory(this.root, launch);
    await directory.make(undefined);
    const machine = { mode: "paravirt", acceleration: "tcg", tscKhz: hostTscKhz() } as const;
    // It goes on by itself at the end of the stream.
    const words = qemuArguments(launch, machine).filter((word) => word !== "-S");
    const process = await QemuProcess.start({
      command: ["qemu-system-x86_64", ...words],
      opened: [],
      directory,
      clock: systemClock,
    });
    const qmp = await connect(directory);
    await qmp.negotiate();
    const started = { process, qmp, directory, consoleFile: directory.file("console") };
    this.#running.add(started);
    return started;
  }
}

async function moveBetween(source: BareQemu, target: BareQemu): Promise<Moved> {
  await target.qmp.execute("migrate-incoming", { uri: "tcp:127.0.0.1:0" });
  const listening = await target.qmp.execute("query-migrate");
  const port = listening["socket-address"]?.[0]?.port ?? "";
  await source.qmp.execute("migrate-set-parameters", { "max-bandwidth": BANDWIDTH_BYTES_PER_S });
  const gap = new BeatGap(source.consoleFile, target.consoleFile);
  const startedMs = performance.now();
  await source.qmp.execute("migrate", { uri: `tcp:127.0.0.1:${port}` });
  let downtime = 0;
  await until(async () => {
    const { status, downtime: told } = await source.qmp.execute("query-migrate");
    downtime = told ?? 0;
    return status === "completed";
  }, "the migration");
  const totalMs = performance.now() - startedMs;
  await until(() => gap.hasBegun, "the guest at the target");
  return { totalMs, downtimeMs: gap.end(), engineDowntimeMs: downtime };
}

async function connect(directory: CopyDirectory): Promise<QmpClient> {
  let qmp: QmpClient | undefined;
  await until(async () => {
    qmp = await directory.withSocketPath("monitor", (address) => QmpClient.open(address));
    return qmp !== undefined;
  }, "the monitor");
  return qmp as unknown as QmpClient;
}
