/**
 * Builds the guest images from their recipes in `images/` into `images/build/`: `tiny` is assembled
 * from our own source, `disk` is a disk that firmware boots it from, `linux` is the distribution's cloud kernel and an initramfs of busybox and
 * our init.
 */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { refreshPackageLists } from "./packages.mjs";
import { findProgram, hashOf, ROOT, run, say, stop, tryRun } from "./run.mjs";
import { unlessStamped } from "./stamp.mjs";

/** Where things lie on the disk of image `disk`: see images/disk/boot.S. */
const SECTOR_BYTES = 512;
const PROGRAM_SECTOR = 3;
const PROGRAM_SECTORS_MAX = 64;
const DISK_BYTES = 1024 * 1024;

const BUILD = path.join(ROOT, "images", "build");
const RECIPES = path.join(ROOT, "images");

/** The kernel packages of each distribution that we know, best first. */
const KERNEL_PACKAGES = {
  debian: ["linux-image-cloud-amd64"],
  ubuntu: ["linux-image-kvm", "linux-image-virtual"],
};

/** What the init loads, with all that it depends on. What a kernel has built in is left out. */
const POWER_MODULES = ["button", "evdev"];
const NETWORK_MODULES = ["virtio_pci", "virtio_mmio", "virtio_net", "virtio-rng"];

export function buildImages() {
  const tiny = hashOf(["images/tiny", "scripts/images.mjs"]);
  unlessStamped("images/build/tiny/.stamp", tiny, buildTiny);
  const disk = hashOf(["images/disk", "images/tiny", "scripts/images.mjs"]);
  unlessStamped("images/build/disk/.stamp", disk, buildDisk);
  const rootfs = hashOf(["images/rootfs", "scripts/images.mjs"]);
  unlessStamped("images/build/rootfs/.stamp", rootfs, buildRootfs);
  const linux = hashOf(["images/linux", "scripts/images.mjs"]);
  unlessStamped("images/build/linux/.stamp", linux, buildLinux);
}

function buildTiny() {
  say("building image tiny");
  const output = freshDirectory("tiny");
  const object = path.join(output, "tiny.o");
  const program = path.join(output, "tiny.elf");
  const link = ["-m", "elf_i386", "--no-warn-rwx-segments", "-T", recipe("tiny", "tiny.ld")];
  run("as", ["--32", "-o", object, recipe("tiny", "tiny.S")]);
  run("ld", [...link, "-o", program, object]);
  rmSync(object);
  describe(output, {
    id: "tiny",
    kind: "pvh",
    commandLine: "",
    memoryMibMin: 8,
    blobs: [{ role: "kernel", file: "tiny.elf" }],
  });
}

function buildDisk() {
  say("building image disk");
  const output = freshDirectory("disk");
  const [object, file] = ["boot.o", "boot.bin"].map((name) => path.join(output, name));
  run("as", ["--32", "-o", object, recipe("disk", "boot.S")]);
  run(
    "ld",
    ["-m", "elf_i386", "-Ttext", "0x7c00", "-e", "boot", "--oformat", "binary"].concat(
      "-o",
      file,
      object,
    ),
  );
  const program = path.join(output, "program.bin");
  run("objcopy", ["-O", "binary", path.join(BUILD, "tiny", "tiny.elf"), program]);
  writeFileSync(path.join(output, "disk.raw"), diskOf(file, program));
  for (const part of [object, file, program]) rmSync(part);
  describe(output, {
    id: "disk",
    kind: "disk",
    commandLine: "",
    memoryMibMin: 16,
    diskFormat: "raw",
    diskMib: DISK_BYTES / 1024 / 1024,
    blobs: [{ role: "disk", file: "disk.raw" }],
  });
}

function diskOf(bootFile, programFile) {
  const [boot, program] = [readFileSync(bootFile), readFileSync(programFile)];
  if (boot.length !== SECTOR_BYTES) stop(`the boot sector has ${boot.length} bytes`);
  if (program.length > PROGRAM_SECTORS_MAX * SECTOR_BYTES) stop("the program does not fit");
  const bytes = Buffer.alloc(DISK_BYTES);
  boot.copy(bytes);
  program.copy(bytes, PROGRAM_SECTOR * SECTOR_BYTES);
  return bytes;
}

/** For containers: busybox and our first process; the runtime makes /dev and /proc. */
function buildRootfs() {
  say("building image rootfs");
  const output = freshDirectory("rootfs");
  const root = mkdtempSync(path.join(BUILD, "work-"));
  try {
    for (const directory of ["bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "var"]) {
      mkdirSync(path.join(root, directory));
    }
    chmodSync(root, 0o755);
    chmodSync(path.join(root, "tmp"), 0o1777);
    installBusybox(path.join(root, "bin"));
    installRecipe(recipe("rootfs", "init"), path.join(root, "init"));
    writeFileSync(path.join(root, "etc", "passwd"), "root:x:0:0:root:/root:/bin/sh\n");
    writeFileSync(path.join(root, "etc", "group"), "root:x:0:\n");
    const names = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0"];
    const tar = path.join(output, "rootfs.tar");
    run("tar", ["--create", ...names, "--file", tar, "--directory", root, "."]);
    run("gzip", ["--no-name", "--best", tar]);
  } finally {
    rmSync(root, { recursive: true });
  }
  describe(output, {
    id: "rootfs",
    kind: "rootfs",
    commandLine: "",
    memoryMibMin: 8,
    command: ["/init"],
    blobs: [{ role: "rootfs", file: "rootfs.tar.gz" }],
  });
}

function buildLinux() {
  say("building image linux (downloads the distribution's cloud kernel)");
  const output = freshDirectory("linux");
  const work = mkdtempSync(path.join(BUILD, "work-"));
  try {
    const unpacked = fetchKernel(work);
    const kernel = readdirSync(path.join(unpacked, "boot")).find((name) =>
      name.startsWith("vmlinuz-"),
    );
    if (kernel === undefined) stop("the kernel package holds no vmlinuz");
    copyFileSync(path.join(unpacked, "boot", kernel), path.join(output, "vmlinuz"));
    const version = kernel.slice("vmlinuz-".length);
    makeInitramfs(
      path.join(work, "root"),
      modulesOf(unpacked, version),
      path.join(output, "initrd"),
    );
  } finally {
    rmSync(work, { recursive: true });
  }
  describe(output, {
    id: "linux",
    kind: "linux",
    commandLine: "console=ttyS0 quiet loglevel=3 panic=-1 random.trust_cpu=on tsc=reliable",
    memoryMibMin: 96,
    blobs: [
      { role: "kernel", file: "vmlinuz" },
      { role: "initrd", file: "initrd" },
    ],
  });
}

/** Downloads the kernel package (no root needed, nothing is installed) and unpacks it. */
function fetchKernel(work) {
  if (!downloadPackages(kernelPackages(), work).isDone) {
    refreshPackageLists();
    const { isDone, output } = downloadPackages(kernelPackages(), work);
    if (!isDone) stop(`the kernel package cannot be downloaded:\n${output}`);
  }
  const unpacked = path.join(work, "unpacked");
  for (const file of readdirSync(work).filter((name) => name.endsWith(".deb"))) {
    run("dpkg-deb", ["-x", path.join(work, file), unpacked]);
  }
  return unpacked;
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
function kernelPackages() {
  const release = readFileSync("/etc/os-release", "utf8");
  const id = /^ID=(.*)$/m.exec(release)?.[1] ?? "";
  const candidates = KERNEL_PACKAGES[id] ?? [];
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

/** The files of the modules, those they depend on before them. */
function modulesOf(unpacked, version) {
  const directory = ["lib/modules", "usr/lib/modules"]
    .map((each) => path.join(unpacked, each, version))
    .find(existsSync);
  if (directory === undefined) stop(`the kernel package holds no modules for ${version}`);
  const files = new Map();
  for (const file of readdirSync(directory, { recursive: true }).map(String)) {
    const [, name] = /([^/]+)\.ko(?:\.xz|\.zst)?$/.exec(file) ?? [];
    if (name !== undefined) files.set(name.replaceAll("-", "_"), path.join(directory, file));
  }
  return { power: inLoadOrder(POWER_MODULES, files), network: inLoadOrder(NETWORK_MODULES, files) };
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

function makeInitramfs(root, modules, output) {
  for (const directory of ["bin", "etc", "modules", "proc", "sys", "dev"]) {
    mkdirSync(path.join(root, directory), { recursive: true });
  }
  installBusybox(path.join(root, "bin"));
  installRecipe(recipe("linux", "init"), path.join(root, "init"));
  installRecipe(recipe("linux", "udhcpc.script"), path.join(root, "etc", "udhcpc.script"));
  for (const { name, bytes } of [...modules.power, ...modules.network]) {
    writeFileSync(path.join(root, "modules", `${name}.ko`), bytes);
  }
  const network = modules.network.map(({ name }) => name).join("\n");
  writeFileSync(path.join(root, "modules", "network"), network);
  const files = readdirSync(root, { recursive: true }).map(String).sort();
  const options = ["--quiet", "-o", "-H", "newc", "-R", "0:0", "--reproducible"];
  const input = Buffer.from(files.join("\n"));
  writeFileSync(output, run("cpio", options, { cwd: root, input, encoding: "buffer" }));
}

function installBusybox(directory) {
  const busybox = findProgram("busybox") ?? stop("busybox is missing");
  copyFileSync(busybox, path.join(directory, "busybox"));
  const applets = run(busybox, ["--list"]).split("\n");
  for (const name of applets.filter((each) => each !== "" && each !== "busybox")) {
    symlinkSync("busybox", path.join(directory, name));
  }
}

function installRecipe(source, target) {
  copyFileSync(source, target);
  chmodSync(target, 0o755);
}

function recipe(image, file) {
  return path.join(RECIPES, image, file);
}

function freshDirectory(name) {
  const directory = path.join(BUILD, name);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  return directory;
}

/** What `inn image import` reads. */
function describe(directory, description) {
  const json = JSON.stringify({ architecture: "x86_64", ...description }, undefined, 2);
  writeFileSync(path.join(directory, "image.json"), `${json}\n`);
}

if (process.argv[1] === import.meta.filename) buildImages();
