/**
 * Runs the tests and closes with one line: `N passed, N failed`. Arguments: `--checks` runs the
 * static checks as well; `--project NAME` (repeatable) chooses among the projects of
 * vitest.config.ts, all by default.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { runChecks } from "./checks.mjs";
import { ROOT, tryRun } from "./run.mjs";
import { REPORT_FILE } from "./test-report.mjs";

const { values } = parseArgs({
  options: {
    checks: { type: "boolean", default: false },
    project: { type: "string", multiple: true, default: [] },
  },
});
const startedAtMs = performance.now();
const checks = values.checks ? await runChecks() : { passed: 0, failed: 0 };
const tests = runVitest(values.project);
for (const { name, reason } of tests.skipped) print(`skipped: ${name} (${reason})`);
for (const name of tests.failed) print(`failed: ${name}`);
print(
  `${((performance.now() - startedAtMs) / 1000).toFixed(1)} s, ${tests.skipped.length} skipped`,
);
const failed = checks.failed + tests.failed.length;
print(`${checks.passed + tests.passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

/** What vitest's own exit code says counts too, so nothing fails without being seen. */
function runVitest(projects) {
  rmSync(REPORT_FILE, { force: true });
  const reporters = [
    "--reporter=default",
    `--reporter=${path.join(ROOT, "scripts/test-report.mjs")}`,
  ];
  const chosen = projects.map((name) => `--project=${name}`);
  const vitest = path.join(ROOT, "node_modules", ".bin", "vitest");
  const { status } = tryRun(vitest, ["run", ...reporters, ...chosen], { stdio: "inherit" });
  const report = existsSync(REPORT_FILE)
    ? JSON.parse(readFileSync(REPORT_FILE, "utf8"))
    : { passed: 0, failed: [], skipped: [] };
  if (status === 0 || report.failed.length > 0) return report;
  return { ...report, failed: [`vitest ended with exit code ${status}`] };
}

function print(line) {
  process.stdout.write(`${line}\n`);
}
