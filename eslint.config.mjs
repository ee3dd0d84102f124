/**
 * What Biome cannot see: un-awaited promises, exhaustive switches, and calls that a place must not
 * make. Core and the services' decisions get time, ids and randomness through ports, so that a
 * whole cluster runs in one test with one seed.
 */
import tseslint from "typescript-eslint";

/** Code that decides: nothing here may depend on the machine it runs on. */
const DECISIONS = [
  "packages/core/src/{domain,ports,scheduling,reconcile,transactions}/**/*.ts",
  "services/controller/src/{commands,loops,mirror,sessions,events}/**/*.ts",
  "services/controller/src/controller.ts",
  "services/node-agent/src/runner/**/*.ts",
  "services/node-agent/src/agent.ts",
];

const TESTS = ["**/*.test.ts", "**/*.contract.ts", "test/**/*.ts"];

/** The only files that may read the environment; a benchmark starts programs as a user would. */
const PROGRAMS = ["**/main.ts", "test/bench/**/*.ts", "*.config.ts"];

const call = (object, method) =>
  `CallExpression[callee.object.name='${object}'][callee.property.name='${method}']`;

const TIME = "the Clock port (`clock.nowMs()`), so that tests can choose the time";
const IDS = "the IdSource port";
const RANDOMNESS = "the Prng or the IdSource that was handed in, so that one seed repeats a run";
const TIMERS = "the Clock port (`clock.schedule(ms, work)`), so that tests can advance the time";

const TIMER = "/^(setTimeout|setInterval|setImmediate)$/";
/** Also by way of `globalThis`. */
const CALLEES = `[callee.name=${TIMER}], [callee.property.name=${TIMER}]`;
const TIMER_CALL = `CallExpression:matches(${CALLEES})`;

const BANNED_IN_DECISIONS = [
  { selector: call("Date", "now"), message: `Use ${TIME}.` },
  { selector: "CallExpression[callee.name='Date']", message: `Use ${TIME}.` },
  { selector: call("performance", "now"), message: `Use ${TIME}.` },
  { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: `Use ${TIME}.` },
  { selector: call("Math", "random"), message: `Use ${RANDOMNESS}.` },
  { selector: call("crypto", "randomUUID"), message: `Use ${IDS}.` },
  { selector: "CallExpression[callee.name='randomUUID']", message: `Use ${IDS}.` },
  {
    selector: TIMER_CALL,
    message: `Use ${TIMERS}.`,
  },
];

const ENVIRONMENT = {
  selector: "MemberExpression[object.name='process'][property.name='env']",
  message: "Only main.ts reads the environment: take a settings object (config.ts).",
};

const CONSOLE = {
  selector: "MemberExpression[object.name='console']",
  message: "Use the Logger port; programs write to process.stdout.",
};

const SLEEP = {
  selector: `NewExpression[callee.name='Promise'] ${TIMER_CALL}`,
  message: "Tests do not sleep: advance the FakeClock, or wait on a condition (`vi.waitFor`).",
};

const SLEEP_IMPORT = {
  selector: "ImportDeclaration[source.value=/^(node:)?timers(\\u002Fpromises)?$/]",
  message: SLEEP.message,
};

const EVERYWHERE = [ENVIRONMENT, CONSOLE];

export default tseslint.config(
  { ignores: ["**/node_modules/**", "dist/**", "proto/gen/**", "images/build/**", "**/*.mjs"] },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: {
      parserOptions: { project: "tsconfig.json", tsconfigRootDir: import.meta.dirname },
    },
    linterOptions: { reportUnusedDisableDirectives: "error", noInlineConfig: true },
    rules: {
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/explicit-module-boundary-types": "error",
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": "error",
      // Biome says it.
      "@typescript-eslint/no-unused-vars": "off",
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "prefer-const": ["error", { ignoreReadBeforeAssign: true }],
      "max-depth": ["error", 3],
      "no-restricted-syntax": ["error", ...EVERYWHERE],
    },
  },
  {
    files: DECISIONS,
    rules: { "no-restricted-syntax": ["error", ...EVERYWHERE, ...BANNED_IN_DECISIONS] },
  },
  {
    files: TESTS,
    rules: {
      // Matchers such as `expect.any(String)` are `any`.
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-return": "off",
      // Contracts take the subject under test apart, as `({ clock, advance })`.
      "@typescript-eslint/unbound-method": "off",
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      "no-restricted-syntax": ["error", ...EVERYWHERE, SLEEP, SLEEP_IMPORT],
    },
  },
  { files: PROGRAMS, rules: { "no-restricted-syntax": ["error", CONSOLE] } },
);
