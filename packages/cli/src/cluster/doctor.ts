/** `inn doctor`: what this host can do, and why not. Runs a tiny guest to prove it. */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, release, tmpdir, totalmem } from "node:os";
import path from "node:path";
import type { Engine } from "@innkeeper/core";
import { createLogger, systemClock } from "@innkeeper/core/platform";
import { createContainerEngine, createQemuEngine } from "@innkeeper/node-agent";
import type { LocalContext } from "../cli-context.js";
import { EXIT } from "../exit-codes.js";
import { details, table } from "../output/table.js";
import { installedFile } from "./installed-files.js";

const MIB = 1024 * 1024;

/** Exits 1 when no engine can run a guest here. */
export async function runDoctor({ terminal, setExitCode }: LocalContext): Promise<void> {
  const stateDir = await mkdtemp(path.join(tmpdir(), "inn-doctor-"));
  try {
    const startedMs = performance.now();
    const probes = [];
    for (const engine of enginesIn(stateDir)) {
      probes.push(await engine.probe());
      await engine.close();
    }
    const abilities = probes.flatMap((each) => each.abilities);
    const problems = probes.flatMap((each) => each.problems);
    const probeMs = Math.round(performance.now() - startedMs);
    const host = hostFacts();
    const rows = abilities.map((each) => [
      each.mode,
      each.engine,
      each.engineVersion,
      each.acceleration,
      each.canLiveMigrate ? "yes" : "no",
    ]);
    const text = [
      details(Object.entries(host)),
      "",
      rows.length > 0
        ? table(["MODE", "ENGINE", "VERSION", "ACCELERATION", "LIVE MIGRATION"], rows)
        : "no mode works on this host",
      ...problems.map((problem) => `note: ${problem}`),
      `probed by running guests, ${probeMs} ms`,
    ].join("\n");
    terminal.result(text, { host, abilities, problems, probeMs });
    if (abilities.length === 0) setExitCode(EXIT.failed);
  } finally {
    await rm(stateDir, { recursive: true, force: true });
  }
}

function enginesIn(stateDir: string): readonly Engine[] {
  const log = createLogger({ level: "error", destination: process.stderr });
  const options = { stateDir, clock: systemClock, log };
  return [
    createQemuEngine({
      ...options,
      migrationHost: "127.0.0.1",
      probeKernel: installedFile("images", "build", "tiny", "tiny.elf"),
      probeDisk: installedFile("images", "build", "disk", "disk.raw"),
    }),
    createContainerEngine({
      ...options,
      probeRootfs: installedFile("images", "build", "rootfs", "rootfs.tar.gz"),
    }),
  ];
}

function hostFacts(): Record<string, string> {
  return {
    kernel: release(),
    node: process.version,
    cpus: String(availableParallelism()),
    memory: `${Math.floor(totalmem() / MIB)} MiB`,
    "/dev/kvm": existsSync("/dev/kvm") ? "present (that alone proves nothing)" : "absent",
    user: process.getuid?.() === 0 ? "root" : "not root",
  };
}
