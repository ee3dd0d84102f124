/** Ganeti's `hbal` (Debian: ganeti-htools) on the same nodes and guests, on shared storage. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { COUNTS, EQUAL, NODE } from "./case.js";

const POLICY = "|128,1,1024,1,1,1|128,1,1024,1,1,1;65536,64,1048576,16,8,64|ext|64.0|64.0";
const MOVES_MAX = 500;

export interface Outcome {
  readonly moves: number;
  readonly ms: number;
}

/** Undefined when it is not installed. */
export function runHbal(): Outcome | undefined {
  const directory = mkdtempSync(path.join(tmpdir(), "innkeeper-hbal-"));
  try {
    const file = path.join(directory, "cluster.txt");
    writeFileSync(file, clusterText());
    const startedMs = performance.now();
    const said = execFileSync("hbal", ["-t", file, "-l", String(MOVES_MAX)], { encoding: "utf8" });
    const ms = performance.now() - startedMs;
    const [, moves = "0"] = /Solution length=(\d+)/.exec(said) ?? [];
    return { moves: Number(moves), ms };
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Group, nodes, guests, policies: the tools' text format. */
function clusterText(): string {
  const nodes = COUNTS.map((count, index) => {
    const freeMib = NODE.memoryMib - count * EQUAL.memoryMib;
    const role = index === 0 ? "M" : "N";
    return `n${index}|${NODE.memoryMib}|0|${freeMib}|1048576|1048576|64|${role}|u|1||N|0|1|1.0`;
  });
  const guests = COUNTS.flatMap((count, index) =>
    Array.from({ length: count }, () => `|${EQUAL.memoryMib}|0|1|running|Y|n${index}||ext||1|-|N`),
  ).map((rest, index) => `i${index}${rest}`);
  const parts = [["g|u|preferred||"], nodes, guests, [""], [POLICY, `g${POLICY}`]];
  return `${parts.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}
