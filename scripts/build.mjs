/**
 * Bundles every program of the repository into `dist/`, one file each; npm packages stay outside.
 */
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { ROOT } from "./run.mjs";

const PROGRAMS = {
  inn: "packages/cli/src/main.ts",
  "inn-controller": "services/controller/src/main.ts",
  "inn-agent": "services/node-agent/src/main.ts",
  sim: "test/simulation/main.ts",
  bench: "test/bench/main.ts",
  "bench-agents": "test/bench/cluster/agents/main.ts",
};

/** Our own workspaces are bundled, whatever is in `node_modules` is not. */
const ownWorkspaces = {
  name: "own-workspaces",
  setup(build) {
    build.onResolve({ filter: /^[^./]/ }, async ({ path: name, kind, resolveDir, pluginData }) => {
      if (pluginData === "resolving" || kind === "entry-point") return undefined;
      if (!name.startsWith("@innkeeper/")) return { path: name, external: true };
      return await build.resolve(name, { kind, resolveDir, pluginData: "resolving" });
    });
  },
};

export async function bundle() {
  mkdirSync(path.join(ROOT, "dist"), { recursive: true });
  const present = Object.entries(PROGRAMS).filter(([, file]) => existsSync(path.join(ROOT, file)));
  await bundlePrograms(Object.fromEntries(present), { outdir: "dist", plugins: [ownWorkspaces] });
}

/** `programs` maps the name of each output to its source; npm packages go in too by default. */
export async function bundlePrograms(programs, options) {
  const { build } = await import("esbuild");
  await build({
    absWorkingDir: ROOT,
    entryPoints: programs,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    sourcemap: true,
    logLevel: "warning",
    ...options,
  });
}

if (process.argv[1] === import.meta.filename) await bundle();
