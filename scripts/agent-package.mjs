/**
 * The QEMU guest agent for a guest that has no distribution: the program of the distribution's
 * package and the libraries that it needs, downloaded and unpacked, never installed.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import path from "node:path";
import { refreshPackageLists } from "./packages.mjs";
import { run, stop, tryRun } from "./run.mjs";

const PACKAGE = "qemu-guest-agent";
const PROGRAM = "usr/sbin/qemu-ga";
const LOADER = "ld-linux-x86-64.so.2";
const KINDS_LEFT_OUT = ["pre-depends", "recommends", "suggests", "conflicts", "breaks"].concat([
  "replaces",
  "enhances",
]);

/** `work`: an empty directory of its own; `root`: what becomes the guest's file system. */
export function installAgent(work, root) {
  mkdirSync(work);
  if (!download(work).isDone) {
    refreshPackageLists();
    const { isDone, output } = download(work);
    if (!isDone) stop(`the package ${PACKAGE} cannot be downloaded:\n${output}`);
  }
  const unpacked = path.join(work, "unpacked");
  for (const file of readdirSync(work).filter((name) => name.endsWith(".deb"))) {
    run("dpkg-deb", ["-x", path.join(work, file), unpacked]);
  }
  for (const directory of ["bin", "lib", "lib64", "run"]) {
    mkdirSync(path.join(root, directory), { recursive: true });
  }
  const program = path.join(unpacked, PROGRAM);
  copyFileSync(program, path.join(root, "bin", path.basename(PROGRAM)));
  for (const [name, file] of librariesOf(program, librariesBelow(unpacked))) {
    copyFileSync(file, path.join(root, name === LOADER ? "lib64" : "lib", name));
  }
}

function download(directory) {
  const left = KINDS_LEFT_OUT.map((kind) => `--no-${kind}`);
  const { stdout } = tryRun("apt-cache", ["depends", "--recurse", "-i", ...left, PACKAGE]);
  const libraries = stdout.split("\n").filter((line) => /^lib[^ :]+$/.test(line));
  const options = ["-qq", "-o", "APT::Sandbox::User=root"];
  const names = [PACKAGE, ...libraries];
  const { status, stderr } = tryRun("apt-get", ["download", ...options, ...names], {
    cwd: directory,
  });
  return { isDone: status === 0, output: stderr };
}

/** Name → file, of all shared libraries there. */
function librariesBelow(directory) {
  const files = readdirSync(directory, { recursive: true }).map(String);
  const libraries = files.filter((file) => /\.so(\.[0-9]+)*$/.test(file));
  return new Map(libraries.map((file) => [path.basename(file), path.join(directory, file)]));
}

/** What the program names, and what that names, and so on. */
function librariesOf(file, known, found = new Map()) {
  if (!existsSync(file)) stop(`the package ${PACKAGE} holds no ${path.basename(file)}`);
  const headers = run("objdump", ["-p", file]);
  for (const [, name] of headers.matchAll(/^ +NEEDED +(\S+)$/gm)) {
    if (found.has(name)) continue;
    const library = known.get(name) ?? stop(`no package of ${PACKAGE} holds ${name}`);
    found.set(name, library);
    librariesOf(library, known, found);
  }
  return found;
}
