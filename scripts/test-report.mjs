/**
 * A vitest reporter: counts what ran into one JSON file, with the reason of everything that was
 * skipped.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "./run.mjs";

/** By the name that the run was given. */
export function reportFile(run) {
  return path.join(ROOT, "dist", `test-report-${run}.json`);
}

/**
 * vitest makes one of these; a file or group that does not load and a stray error each count as one
 * failure.
 */
export default class TestReport {
  onTestRunEnd(modules, unhandledErrors) {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const groups = modules.flatMap((module) => [module, ...module.children.allSuites()]);
    const broken = groups.filter((group) => group.errors().length > 0);
    const report = {
      passed: tests.filter((test) => test.result().state === "passed").length,
      failed: [
        ...tests.filter((test) => test.result().state === "failed").map((test) => nameOf(test)),
        ...broken.map((group) => `${nameOf(group)}: ${group.errors()[0].message}`),
        ...unhandledErrors.map((error) => `outside of any test: ${error.message}`),
      ],
      skipped: tests.filter((test) => test.result().state === "skipped").map(skippedTest),
    };
    const file = reportFile(process.env.TEST_RUN ?? "alone");
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, `${JSON.stringify(report, undefined, 2)}\n`);
  }
}

/** Of a test, a group of tests or a file. */
function nameOf(entity) {
  if (entity.type === "module") return entity.relativeModuleId;
  return `${entity.module.relativeModuleId}: ${entity.fullName}`;
}

function skippedTest(test) {
  return { name: nameOf(test), reason: test.result().note ?? "no reason given" };
}
