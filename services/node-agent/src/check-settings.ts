/** `inn-agent --check`: runs a tiny guest in each engine, in a directory of its own that is gone afterwards. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { unavailable } from "@innkeeper/core";
import { createLogger, systemClock } from "@innkeeper/core/platform";
import type { AgentSettings } from "./config.js";
import { createQemuEngine } from "./engines/qemu/qemu-engine.js";

/** @throws `unavailable` when an engine that is asked for can run no guest here. */
export async function checkSettings(
  settings: AgentSettings,
  probes: { readonly probeKernel: string; readonly probeDisk: string },
): Promise<readonly string[]> {
  if (!settings.engines.split(",").includes("qemu")) return ["engine sim: always works"];
  const stateDir = await mkdtemp(path.join(tmpdir(), "inn-check-"));
  try {
    const log = createLogger({ level: "silent", destination: { write: () => undefined } });
    const reached = { migrationHost: "127.0.0.1", ...probes };
    const engine = createQemuEngine({ stateDir, clock: systemClock, log, ...reached });
    const { abilities, problems } = await engine.probe();
    if (abilities.length === 0) throw unavailable("engine", problems.join("; "));
    return abilities.map(
      ({ mode, engineVersion, acceleration }) =>
        `engine qemu ${engineVersion}: runs guests in ${mode} mode by ${acceleration}`,
    );
  } finally {
    await rm(stateDir, { recursive: true, force: true });
  }
}
