/**
 * The calls that ESLint bans by place: each is shown to be found there, and to be free elsewhere.
 */
import { fileURLToPath } from "node:url";
import { ESLint, Linter } from "eslint";
import tseslint from "typescript-eslint";
import { describe, expect, it } from "vitest";

const RULE = "no-restricted-syntax";
const ROOT = fileURLToPath(new URL("..", import.meta.url));

const DECISIONS = [
  "packages/core/src/domain/guest.ts",
  "packages/core/src/scheduling/place.ts",
  "packages/core/src/reconcile/plan-guest.ts",
  "packages/core/src/transactions/change-feed.ts",
  "services/controller/src/commands/create-guest.ts",
  "services/controller/src/loops/leading.ts",
  "services/controller/src/mirror/mirror.ts",
  "services/controller/src/sessions/node-sessions.ts",
  "services/node-agent/src/runner/guest-runner.ts",
];
const MACHINE_CALLS = [
  "Date.now();",
  "new Date();",
  "Date();",
  "performance.now();",
  "Math.random();",
  "crypto.randomUUID();",
  "randomUUID();",
  "setTimeout(work, 1);",
  "setInterval(work, 1);",
  "setImmediate(work);",
  "globalThis.setTimeout(work, 1);",
];
const EDGE = "packages/core/src/platform/system-clock.ts";
const TEST = "test/tidy.test.ts";
const MAIN = "services/controller/src/main.ts";

interface RuleConfig {
  readonly rules: Readonly<Record<string, Linter.RuleEntry>>;
}

/** What ESLint says of `code` if it stood in `file`; empty = nothing. */
async function findings(file: string, code: string): Promise<readonly string[]> {
  const eslint = new ESLint({ cwd: ROOT });
  const { rules } = (await eslint.calculateConfigForFile(file)) as RuleConfig;
  const entry = rules[RULE];
  if (entry === undefined) return [];
  const languageOptions = { parser: tseslint.parser as Linter.Parser };
  const messages = new Linter().verify(code, { languageOptions, rules: { [RULE]: entry } });
  return messages.map(({ message }) => message);
}

describe("code that decides", () => {
  it.each(DECISIONS)("may not ask the machine: %s", async (file) => {
    for (const code of MACHINE_CALLS) expect(await findings(file, code), code).toHaveLength(1);
  });

  it("may convert a time that it was given", async () => {
    for (const file of DECISIONS) expect(await findings(file, "new Date(atMs);")).toEqual([]);
  });
});

describe("other code", () => {
  it("may ask the machine, because that is what the edge is for", async () => {
    for (const code of MACHINE_CALLS) expect(await findings(EDGE, code), code).toEqual([]);
  });

  it("reads the environment in programs only", async () => {
    expect(await findings(EDGE, "process.env.HOME;")).toHaveLength(1);
    expect(await findings(MAIN, "process.env.HOME;")).toEqual([]);
  });

  it("never writes to the console", async () => {
    for (const file of [EDGE, MAIN, TEST, ...DECISIONS]) {
      expect(await findings(file, "console.log(1);"), file).toHaveLength(1);
    }
  });

  it("does not sleep in tests", async () => {
    const timer = "setTimeout(resolve, 1);";
    const nap = `new Promise((resolve) => { ${timer} });`;
    expect(await findings(TEST, nap)).toHaveLength(1);
    expect(await findings(TEST, "setTimeout(work, 1);")).toEqual([]);
  });
});
