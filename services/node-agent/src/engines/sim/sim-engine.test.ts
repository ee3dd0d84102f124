/**
 * The engine contract over the sim engine, on virtual time: guests in memory, and guests in a
 * directory.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { FakeClock, SeededIdSource } from "@innkeeper/core/testing";
import { engineContract } from "@innkeeper/core/testing/contracts/engine.contract";
import type { EngineHarness } from "@innkeeper/core/testing/contracts/engine-harness";
import { createSimEngine } from "./sim-engine.js";
import { SimHost } from "./sim-host.js";
import { directorySimStorage, MemorySimStorage, type SimStorage } from "./sim-storage.js";

const WITHIN_MS = 20_000;
const BROKEN = "broken";

const ABLE = { canMigrate: true, canExec: true };
engineContract("sim, in memory", () => simHarness(new MemorySimStorage(), ["/one", "/two"]), ABLE);

engineContract("sim, in a directory", directoryHarness, ABLE);

function directoryHarness(): EngineHarness {
  const root = mkdtempSync(path.join(tmpdir(), "innkeeper-sim-"));
  const hosts = [path.join(root, "one"), path.join(root, "two")] as const;
  const harness = simHarness(directorySimStorage, hosts);
  return {
    ...harness,
    dispose: async () => {
      rmSync(root, { recursive: true });
    },
    leftovers: async () => [
      ...(await harness.leftovers()),
      ...readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) =>
        name.includes("."),
      ),
    ],
  };
}

function simHarness(
  storage: SimStorage,
  [first, second]: readonly [string, string],
): EngineHarness {
  const clock = new FakeClock();
  const ids = new SeededIdSource(1);
  const faults = {
    launchFails: ({ boot }: { boot: { commandLine: string } }) => boot.commandLine === BROKEN,
  };
  const make = (stateDirectory: string) =>
    createSimEngine({ stateDirectory, clock, storage, faults });
  const hosts = [new SimHost(first, storage), new SimHost(second, storage)];
  return {
    makeEngine: () => make(first),
    makeTargetEngine: () => make(second),
    launchOf: (manner) => ({
      guestUid: ids.uuid(),
      epoch: 1,
      mode: "hybrid",
      vcpuCount: 1,
      cpuMillis: 1000,
      memoryMib: 256,
      boot: {
        kind: "kernel",
        kernelPath: "/kernel",
        initrdPath: undefined,
        commandLine: { lasting: "beat=4", "powers-off": "beat=4 exit=4", broken: BROKEN }[manner],
      },
      disks: [],
      isIncoming: false,
    }),
    settle: async (promise) => {
      let isSettled = false;
      const mark = (): void => {
        isSettled = true;
      };
      promise.then(mark, mark);
      await clock.runUntil(() => isSettled, WITHIN_MS);
      return await promise;
    },
    waitUntil: async (_, condition, within) => {
      await clock.runUntil(condition, within?.ms ?? WITHIN_MS);
    },
    pass: async (durationMs) => {
      await clock.advance(durationMs);
    },
    killGuest: async (ref) => {
      for (const host of hosts) host.kill(ref, clock.nowMs());
    },
    leftovers: async () => hosts.flatMap((host) => [...storage.names(host.location)]),
    dispose: async () => undefined,
  };
}
