/**
 * Runs the tests and closes with one line: `N passed, N failed`. Arguments: `--checks` runs the
 * static checks as well; `--project NAME` (repeatable) chooses among the projects of
 * vitest.config.ts, all by default.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { runChecks } from "./checks.mjs";
import { ROOT } from "./run.mjs";
import { reportFile } from "./test-report.mjs";

const { values } = parseArgs({
  options: {
    checks: { type: "boolean", default: false },
    project: { type: "string", multiple: true, default: [] },
  },
});
const startedAtMs = performance.now();
const checks = values.checks ? await runChecks() : { passed: 0, failed: 0 };
const reports = [];
for (const runs of stagesOf(values.project)) {
  reports.push(...(await Promise.all(runs.map(runVitest))));
}
const tests = merged(reports);
for (const { name, reason } of tests.skipped) print(`skipped: ${name} (${reason})`);
for (const name of tests.failed) print(`failed: ${name}`);
print(
  `${((performance.now() - startedAtMs) / 1000).toFixed(1)} s, ${tests.skipped.length} skipped`,
);
const failed = checks.failed + tests.failed.length;
print(`${checks.passed + tests.passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

/**
 * One after the other; what is in one stage runs at a time. Tests that mostly wait run beside those
 * that need no time of their own, and are told at their end.
 */
function stagesOf(projects) {
  if (projects.length > 0) return [[{ run: "chosen", projects, isBeside: false }]];
  return [
    [
      { run: "quick", projects: ["unit", "simulation"], isBeside: false },
      { run: "long", projects: ["long"], isBeside: true },
    ],
    [{ run: "real", projects: ["integration", "e2e"], isBeside: false }],
  ];
}

/** What vitest's own exit code says counts too, so nothing fails without being seen. */
async function runVitest({ run, projects, isBeside }) {
  const file = reportFile(run);
  rmSync(file, { force: true });
  const reporters = [
    "--reporter=default",
    `--reporter=${path.join(ROOT, "scripts/test-report.mjs")}`,
  ];
  const chosen = projects.map((name) => `--project=${name}`);
  const vitest = path.join(ROOT, "node_modules", ".bin", "vitest");
  const output = isBeside ? "pipe" : "inherit";
  const child = spawn(vitest, ["run", ...reporters, ...chosen], {
    cwd: ROOT,
    env: { ...process.env, TEST_RUN: run },
    stdio: ["inherit", output, output],
  });
  const said = isBeside ? Promise.all([text(child.stdout), text(child.stderr)]) : [];
  const status = await new Promise((resolve) => {
    child.on("error", () => resolve(1));
    child.on("close", (code) => resolve(code ?? 1));
  });
  for (const each of await said) process.stdout.write(each);
  const report = existsSync(file)
    ? JSON.parse(readFileSync(file, "utf8"))
    : { passed: 0, failed: [], skipped: [] };
  if (status === 0 || report.failed.length > 0) return report;
  return { ...report, failed: [`vitest ended with exit code ${status}`] };
}

function merged(reports) {
  return {
    passed: reports.reduce((sum, { passed }) => sum + passed, 0),
    failed: reports.flatMap(({ failed }) => failed),
    skipped: reports.flatMap(({ skipped }) => skipped),
  };
}

function print(line) {
  process.stdout.write(`${line}\n`);
}
