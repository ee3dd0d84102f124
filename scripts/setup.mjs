/**
 * Brings what a purpose needs and is missing: npm packages, the system's packages, generated code,
 * guest images, programs. `--for build` needs no hypervisor; `--for demo`, `--for test` and
 * `--for bench` do.
 * Quick when nothing is missing. Plain Node only.
 */
import { readdirSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { hashOf, ROOT, run, say, stop } from "./run.mjs";
import { unlessStamped } from "./stamp.mjs";

const NODE_MIN = [20, 19];
const PURPOSES = ["build", "demo", "test", "bench"];

const { values } = parseArgs({ options: { for: { type: "string", default: "build" } } });
if (!PURPOSES.includes(values.for))
  stop(`--for: ${values.for} is not one of ${PURPOSES.join(", ")}`, 2);
checkNode();
installNpmPackages();
if (values.for !== "build") {
  const { installPackages } = await import("./packages.mjs");
  installPackages(values.for);
}
const { generate } = await import("./gen.mjs");
generate();
if (values.for !== "build") {
  const { buildImages } = await import("./images.mjs");
  buildImages();
}
if (values.for === "test") {
  const { buildDebian } = await import("./debian-image.mjs");
  buildDebian();
}
const { bundle } = await import("./build.mjs");
await bundle();

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) return;
  stop(`innkeeper needs Node ${NODE_MIN.join(".")} or newer, this is ${process.versions.node}`, 3);
}

/** Install scripts are never needed: every binary comes inside an npm package. */
function installNpmPackages() {
  const workspaces = ["packages", "services"].flatMap((parent) =>
    readdirSync(path.join(ROOT, parent)).map((name) => `${parent}/${name}/package.json`),
  );
  const key = hashOf(["package.json", "package-lock.json", "proto/package.json", ...workspaces]);
  unlessStamped("node_modules/.innkeeper-stamp", key, () => {
    say("installing npm packages");
    run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
  });
}
