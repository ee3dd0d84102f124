/** The checks that need no test run: each is one program, and one line of the closing sum. */
import { spawn } from "node:child_process";
import path from "node:path";
import { ROOT, say, tryRun } from "./run.mjs";

const PROTO = path.join(ROOT, "proto");

/** Slow ones first: two run at a time. */
const CHECKS = [
  { name: "promises, zones of ports (eslint)", command: ["eslint", "--max-warnings", "0", "."] },
  { name: "types (tsc)", command: ["tsc", "--noEmit", "-p", "tsconfig.json"] },
  {
    name: "imports: zones and cycles (dependency-cruiser)",
    command: [
      ...["depcruise", "--config", ".dependency-cruiser.mjs", "--output-type", "err"],
      ...["packages", "services", "test", "proto/gen"],
    ],
  },
  { name: "format and lint (biome)", command: ["biome", "check", "--error-on-warnings", "."] },
  { name: "protocol: lint (buf)", command: ["buf", "lint"], cwd: PROTO },
  {
    name: "protocol: format (buf)",
    command: ["buf", "format", "--diff", "--exit-code"],
    cwd: PROTO,
  },
];

const CONCURRENT_MAX = 2;

/** Runs every check, prints what failed, and gives the numbers. */
export async function runChecks() {
  const waiting = [...CHECKS, ...protocolComparison()];
  const results = [];
  const work = async () => {
    for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) {
      results.push(await runCheck(check));
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_MAX }, work));
  const passed = results.filter((each) => each).length;
  return { passed, failed: results.length - passed };
}

async function runCheck({ name, command: [program, ...args], cwd = ROOT }) {
  const startedAtMs = performance.now();
  const { code, output } = await finished(program, args, cwd);
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
  say(`${code === 0 ? "ok    " : "FAILED"} ${name}, ${seconds} s`);
  if (code !== 0) say(output);
  return code === 0;
}

function finished(program, args, cwd) {
  const file = path.join(ROOT, "node_modules", ".bin", program);
  const child = spawn(file, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  const chunks = [];
  child.stdout.on("data", (chunk) => chunks.push(chunk));
  child.stderr.on("data", (chunk) => chunks.push(chunk));
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ code: 1, output: error.message }));
    child.once("close", (code) => resolve({ code, output: Buffer.concat(chunks).toString() }));
  });
}

/**
 * The wire must stay compatible with the default branch, when there is one here to compare with.
 */
function protocolComparison() {
  const branch = ["origin/HEAD", "origin/main", "main"].find(holdsProtocol);
  if (branch === undefined) {
    say("skipped: protocol compatibility: no default branch with a protocol is known here");
    return [];
  }
  const against = `${path.join(ROOT, ".git")}#ref=${branch},subdir=proto`;
  const name = `protocol: compatible with ${branch} (buf)`;
  return [{ name, command: ["buf", "breaking", "--against", against], cwd: PROTO }];
}

function holdsProtocol(branch) {
  return tryRun("git", ["cat-file", "-e", `${branch}:proto/buf.yaml`]).status === 0;
}
