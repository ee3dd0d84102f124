/**
 * `inn-agent --check`: runs a tiny guest in each engine, in a directory of its own that is gone
 * afterwards.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { unavailable } from "@innkeeper/core";
import { createLogger, systemClock } from "@innkeeper/core/platform";
import type { AgentSettings } from "./config.js";
import { createContainerEngine } from "./engines/container/container-engine.js";
import { createQemuEngine } from "./engines/qemu/qemu-engine.js";

export interface EngineProbes {
  readonly probeKernel: string;
  readonly probeDisk: string;
  readonly probeRootfs: string;
}

/** @throws `unavailable` when an engine that is asked for can run no guest here. */
export async function checkSettings(
  settings: AgentSettings,
  probes: EngineProbes,
): Promise<readonly string[]> {
  const stateDir = await mkdtemp(path.join(tmpdir(), "inn-check-"));
  try {
    const told: string[] = [];
    for (const name of settings.engines.split(",")) {
      if (name === "sim") told.push("engine sim: always works");
      else told.push(...(await checkEngine(name, stateDir, probes)));
    }
    return told;
  } finally {
    await rm(stateDir, { recursive: true, force: true });
  }
}

async function checkEngine(
  name: string,
  stateDir: string,
  probes: EngineProbes,
): Promise<readonly string[]> {
  const log = createLogger({ level: "silent", destination: { write: () => undefined } });
  const options = { stateDir, clock: systemClock, log, migrationHost: "127.0.0.1", ...probes };
  const engine = name === "container" ? createContainerEngine(options) : createQemuEngine(options);
  const { abilities, problems } = await engine.probe();
  await engine.close();
  if (abilities.length === 0) throw unavailable("engine", problems.join("; "));
  return abilities.map(({ mode, engineVersion, acceleration }) => {
    const by = acceleration === "none" ? "the host's kernel" : acceleration;
    return `engine ${name} ${engineVersion}: runs guests in ${mode} mode by ${by}`;
  });
}
