/**
 * A network namespace with a bridge, in which a whole benchmark runs: its guests, whatever their
 * mode, reach the same program on the host by the same way, and nothing of this machine is changed.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { insideNamespace } from "../integration/network-namespace.js";
import type { BenchResult } from "./report.js";

export const BRIDGE = "inn0";
export const BRIDGE_ADDRESS = "10.77.0.1";

/** Set for the process that runs inside. */
const INSIDE = "INN_BENCH_INSIDE";

export function isInside(): boolean {
  return process.env[INSIDE] === "1";
}

/** Runs this benchmark again inside. Undefined where the host lets us make no namespace. */
export async function runInside(name: string): Promise<readonly BenchResult[] | undefined> {
  const namespace = `inn-bench-${process.pid}`;
  if (spawnSync("ip", ["netns", "add", namespace]).status !== 0) return undefined;
  try {
    const ip = (...args: readonly string[]) => execFileSync("ip", ["-n", namespace, ...args]);
    ip("link", "set", "lo", "up");
    ip("link", "add", BRIDGE, "type", "bridge");
    ip("addr", "add", `${BRIDGE_ADDRESS}/16`, "dev", BRIDGE);
    ip("link", "set", BRIDGE, "up");
    const [program = "", ...args] = insideNamespace(namespace);
    const script = process.argv[1] ?? "";
    const child = spawn(program, [...args, process.execPath, script, name], {
      env: { ...process.env, [INSIDE]: "1" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    child.stdout.on("data", (bytes: Buffer) => {
      text += bytes.toString();
    });
    await once(child, "close");
    if (child.exitCode !== 0) throw new Error(`the benchmark ended with ${child.exitCode}`);
    return (JSON.parse(text.trimEnd().split("\n").at(-1) ?? "") as { results: BenchResult[] })
      .results;
  } finally {
    spawnSync("ip", ["netns", "delete", namespace]);
  }
}
