/**
 * Kernels of the distribution, from its packages: downloaded and unpacked, never installed. No root
 * is needed.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { refreshPackageLists } from "./packages.mjs";
import { run, stop, tryRun } from "./run.mjs";

/**
 * `candidates`: distribution → packages, best first. Gives where the kernel is, its version, and
 * where it was unpacked.
 */
export function fetchKernel(work, candidates) {
  if (!downloadPackages(kernelPackages(candidates), work).isDone) {
    refreshPackageLists();
    const { isDone, output } = downloadPackages(kernelPackages(candidates), work);
    if (!isDone) stop(`the kernel package cannot be downloaded:\n${output}`);
  }
  const unpacked = path.join(work, "unpacked");
  for (const file of readdirSync(work).filter((name) => name.endsWith(".deb"))) {
    run("dpkg-deb", ["-x", path.join(work, file), unpacked]);
  }
  const boot = path.join(unpacked, "boot");
  const name = readdirSync(boot).find((each) => each.startsWith("vmlinuz-"));
  if (name === undefined) stop("the kernel package holds no vmlinuz");
  return { unpacked, file: path.join(boot, name), version: name.slice("vmlinuz-".length) };
}

/** The modules with these names, `{ name, bytes }`, those they depend on before them. */
export function modulesOf({ unpacked, version }, names) {
  const directory = ["lib/modules", "usr/lib/modules"]
    .map((each) => path.join(unpacked, each, version))
    .find(existsSync);
  if (directory === undefined) stop(`the kernel package holds no modules for ${version}`);
  const files = new Map();
  for (const file of readdirSync(directory, { recursive: true }).map(String)) {
    const [, name] = /([^/]+)\.ko(?:\.xz|\.zst)?$/.exec(file) ?? [];
    if (name !== undefined) files.set(name.replaceAll("-", "_"), path.join(directory, file));
  }
  return inLoadOrder(names, files);
}

function downloadPackages(names, directory) {
  if (names.length === 0) return { isDone: false, output: "no kernel package is known here" };
  const options = ["-qq", "-o", "APT::Sandbox::User=root"];
  const { status, stderr } = tryRun("apt-get", ["download", ...options, ...names], {
    cwd: directory,
  });
  return { isDone: status === 0, output: stderr };
}

/**
 * The packages with the kernel and its modules that the distribution's meta package stands for
 * today.
 */
function kernelPackages(known) {
  const release = readFileSync("/etc/os-release", "utf8");
  const id = /^ID=(.*)$/m.exec(release)?.[1] ?? "";
  const candidates = known[id] ?? [];
  for (const candidate of candidates) {
    const { stdout } = tryRun("apt-cache", ["depends", candidate]);
    const names = [...stdout.matchAll(/Depends: (linux-(?:image|modules)-[0-9][^\s]*)/g)].map(
      (each) => each[1],
    );
    if (names.length === 0) continue;
    const version = names[0].replace("linux-image-", "").replace("unsigned-", "");
    const modules = `linux-modules-${version}`;
    const hasModules = tryRun("apt-cache", ["show", modules]).status === 0;
    return hasModules && !names.includes(modules) ? [...names, modules] : names;
  }
  return [];
}

function inLoadOrder(names, files, ordered = new Map()) {
  for (const name of names.map((each) => each.replaceAll("-", "_"))) {
    const file = files.get(name);
    if (file === undefined || ordered.has(name)) continue;
    const bytes = moduleBytes(file);
    const [, depends = ""] = /\0depends=([^\0]*)\0/.exec(bytes.toString("latin1")) ?? [];
    inLoadOrder(depends.split(",").filter(Boolean), files, ordered);
    ordered.set(name, { name, bytes });
  }
  return [...ordered.values()];
}

function moduleBytes(file) {
  if (file.endsWith(".ko")) return readFileSync(file);
  return run(file.endsWith(".xz") ? "xz" : "zstd", ["-dc", file], { encoding: "buffer" });
}
