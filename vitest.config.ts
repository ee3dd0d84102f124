/**
 * Five kinds of tests: beside the code, the simulated cluster, real processes (real QEMU, real
 * stores), those of them that mostly wait (`scripts/test.mjs` runs them beside the first two), and
 * whole clusters in containers, which run last.
 */
import { defineConfig } from "vitest/config";

/** They wait for a minute, mostly: others run meanwhile. */
const LONG = ["test/integration/nats-reports.test.ts", "test/integration/quota-race.test.ts"];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["packages/*/src/**/*.test.ts", "services/*/src/**/*.test.ts", "test/*.test.ts"],
          testTimeout: 30_000,
          exclude: ["**/*.integration.test.ts", "**/node_modules/**"],
        },
      },
      {
        test: {
          name: "simulation",
          include: ["test/simulation/**/*.test.ts"],
          testTimeout: 300_000,
        },
      },
      {
        test: {
          name: "integration",
          include: [
            "packages/*/src/**/*.integration.test.ts",
            "services/*/src/**/*.integration.test.ts",
            "test/integration/**/*.test.ts",
          ],
          exclude: ["**/node_modules/**", ...LONG],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "long",
          include: LONG,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          globalSetup: ["scripts/e2e-setup.mjs"],
          env: { TESTCONTAINERS_RYUK_DISABLED: "true" },
          testTimeout: 120_000,
          hookTimeout: 180_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
