/**
 * Makes `dist/containers/`, what the images of docker/Dockerfile copy in: the services and the
 * probe, each one file with all its npm packages inside, apart from the native store library.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { bundlePrograms } from "./build.mjs";
import { findProgram, ROOT, stop, tryRun } from "./run.mjs";

const OUTPUT = path.join(ROOT, "dist", "containers");

/** Of the store library, what it needs to load its native part on Debian. */
const NATIVE = ["libsql", "@neon-rs/load", "detect-libc"];

const HEALTH = { "inn-health": "packages/cli/src/health/main.ts" };
const IMAGES = {
  controller: {
    programs: { "inn-controller": "services/controller/src/main.ts", ...HEALTH },
    files: ["proto/gen/descriptors.binpb"],
  },
  agent: {
    programs: { "inn-agent": "services/node-agent/src/main.ts", ...HEALTH },
    files: ["images/build/tiny/tiny.elf", "images/build/disk/disk.raw"],
  },
};

export async function makeContainerFiles() {
  rmSync(OUTPUT, { recursive: true, force: true });
  for (const [name, { programs, files }] of Object.entries(IMAGES)) {
    const directory = path.join(OUTPUT, name);
    await bundlePrograms(programs, {
      outdir: path.join(directory, "dist"),
      external: ["libsql"],
      sourcemap: false,
      legalComments: "none",
      banner: { js: COMMON_JS },
    });
    for (const file of [...files, ...nativePackages()]) copy(file, path.join(directory, file));
    for (const each of PROTOCOLS) {
      copy(path.join("node_modules", each), path.join(directory, "dist", "proto"));
    }
  }
}

/**
 * npm packages in CommonJS expect these when they stand in a module. Those of gRPC read their
 * protocols two directories above themselves: `dist/proto` in the image.
 */
const COMMON_JS = [
  'import { createRequire as innCreateRequire } from "node:module";',
  "const require = innCreateRequire(import.meta.url);",
  'const __dirname = import.meta.dirname + "/npm/src";',
  'const __filename = __dirname + "/index.js";',
].join("\n");
const PROTOCOLS = ["grpc-health-check/proto", "@grpc/reflection/build/proto"];

function nativePackages() {
  const binaries = readdirSync(path.join(ROOT, "node_modules", "@libsql"))
    .filter((name) => name.endsWith("-gnu") || name.endsWith("-gnueabihf"))
    .map((name) => `@libsql/${name}`);
  return [...NATIVE, ...binaries].map((name) => path.join("node_modules", name));
}

function copy(file, target) {
  if (!existsSync(path.join(ROOT, file))) throw new Error(`${file} is missing: npm run setup`);
  mkdirSync(path.dirname(target), { recursive: true });
  cpSync(path.join(ROOT, file), target, { recursive: true });
}

/** By Compose, version 2 or 1, with `env` for the engine and the variables of the file. */
export function buildImages(env) {
  const [program, ...args] = [
    ...(composeCommand() ?? stop("Docker Compose is missing", 3)),
    "build",
  ];
  const { status, stdout, stderr } = tryRun(program, args, { env });
  if (status !== 0) throw new Error(`images cannot be built:\n${stdout}${stderr}`);
}

/** Version 2 is a plug-in of the client, version 1 a program of its own; undefined = neither. */
export function composeCommand() {
  if (tryRun("docker", ["compose", "version"]).status === 0) return ["docker", "compose"];
  return findProgram("docker-compose") === undefined ? undefined : ["docker-compose"];
}

if (process.argv[1] === import.meta.filename) {
  await makeContainerFiles();
  buildImages(process.env);
}
