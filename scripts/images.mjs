/**
 * Builds the guest images from their recipes in `images/` into `images/build/`: `tiny` is assembled
 * from our own source, `disk` is a disk that firmware boots it from, `linux` is the distribution's
 * cloud kernel and an initramfs of busybox and our init, `linux-agent` is that with a guest agent.
 */
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { installAgent } from "./agent-package.mjs";
import { installBusybox, packInitramfs } from "./initramfs.mjs";
import { fetchKernel, modulesOf } from "./kernel-package.mjs";
import { hashOf, ROOT, run, say, stop } from "./run.mjs";
import { unlessStamped } from "./stamp.mjs";

/** Where things lie on the disk of image `disk`: see images/disk/boot.S. */
const SECTOR_BYTES = 512;
const PROGRAM_SECTOR = 3;
const PROGRAM_SECTORS_MAX = 64;
const DISK_BYTES = 1024 * 1024;

export const BUILD = path.join(ROOT, "images", "build");
const RECIPES = path.join(ROOT, "images");

/** The kernel packages of each distribution that we know, best first. */
const CLOUD_KERNELS = {
  debian: ["linux-image-cloud-amd64"],
  ubuntu: ["linux-image-kvm", "linux-image-virtual"],
};

/** What the init loads, with all that it depends on. What a kernel has built in is left out. */
const POWER_MODULES = ["button", "evdev"];
/** For guests that are told something of themselves. */
const SEED_MODULES = ["qemu_fw_cfg"];
const BUS_MODULES = ["virtio_pci", "virtio_mmio"];
/** For the channel of the guest agent. */
const AGENT_MODULES = ["virtio_console"];
const DEVICE_MODULES = [...BUS_MODULES, "virtio_blk", "virtio_net", "virtio-rng", "virtio_balloon"];

/** What every recipe depends on beside its own files. */
export const SCRIPTS = ["images", "initramfs", "kernel-package"].map(
  (name) => `scripts/${name}.mjs`,
);

export function buildImages() {
  const tiny = hashOf(["images/tiny", ...SCRIPTS]);
  unlessStamped("images/build/tiny/.stamp", tiny, buildTiny);
  const disk = hashOf(["images/disk", "images/tiny", ...SCRIPTS]);
  unlessStamped("images/build/disk/.stamp", disk, buildDisk);
  const rootfs = hashOf(["images/rootfs", "scripts/images.mjs"]);
  unlessStamped("images/build/rootfs/.stamp", rootfs, buildRootfs);
  const linux = hashOf(["images/linux", "scripts/agent-package.mjs", ...SCRIPTS]);
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

/** Both from one kernel. */
function buildLinux() {
  say("building images linux and linux-agent (downloads the distribution's cloud kernel)");
  const [output, withAgent] = [freshDirectory("linux"), freshDirectory("linux-agent")];
  const work = mkdtempSync(path.join(BUILD, "work-"));
  try {
    const kernel = fetchKernel(work, CLOUD_KERNELS);
    for (const each of [output, withAgent]) copyFileSync(kernel.file, path.join(each, "vmlinuz"));
    const root = path.join(work, "root");
    makeRoot(root, kernel);
    packInitramfs(root, path.join(output, "initrd"));
    installAgent(path.join(work, "agent"), root);
    for (const { name, bytes } of modulesOf(kernel, AGENT_MODULES)) {
      writeFileSync(path.join(root, "modules", `${name}.ko`), bytes);
    }
    mkdirSync(path.join(root, "sbin"));
    installRecipe(recipe("linux", "shutdown"), path.join(root, "sbin", "shutdown"));
    packInitramfs(root, path.join(withAgent, "initrd"));
  } finally {
    rmSync(work, { recursive: true });
  }
  describeLinux(output, { id: "linux", memoryMibMin: 96 });
  describeLinux(withAgent, { id: "linux-agent", memoryMibMin: 128, guestAgent: true });
}

function describeLinux(output, description) {
  describe(output, {
    kind: "linux",
    // After a panic: reboot=t, because the other ways sometimes spin for ever on a microvm.
    commandLine:
      "console=ttyS0 quiet loglevel=3 panic=-1 reboot=t random.trust_cpu=on tsc=reliable",
    takesIdentity: true,
    readyText: "innkeeper-guest: up ",
    readyWithinMs: 300_000,
    blobs: [
      { role: "kernel", file: "vmlinuz" },
      { role: "initrd", file: "initrd" },
    ],
    ...description,
  });
}

function makeRoot(root, kernel) {
  const [power, devices, seed] = [POWER_MODULES, DEVICE_MODULES, SEED_MODULES].map((names) =>
    modulesOf(kernel, names),
  );
  for (const directory of ["bin", "etc", "modules", "proc", "sys", "dev"]) {
    mkdirSync(path.join(root, directory), { recursive: true });
  }
  installBusybox(path.join(root, "bin"));
  installRecipe(recipe("linux", "init"), path.join(root, "init"));
  assemble(recipe("linux", "take-identity.S"), path.join(root, "bin", "take-identity"));
  installRecipe(recipe("linux", "udhcpc.script"), path.join(root, "etc", "udhcpc.script"));
  for (const { name, bytes } of [...power, ...devices, ...seed]) {
    writeFileSync(path.join(root, "modules", `${name}.ko`), bytes);
  }
  const order = devices.map(({ name }) => name).join("\n");
  writeFileSync(path.join(root, "modules", "devices"), order);
}

/** A program of its own for 64-bit Linux. */
function assemble(source, target) {
  const object = `${target}.o`;
  run("as", ["--64", "-o", object, source]);
  run("ld", ["-m", "elf_x86_64", "-static", "-s", "-o", target, object]);
  rmSync(object);
}

function installRecipe(source, target) {
  copyFileSync(source, target);
  chmodSync(target, 0o755);
}

export function recipe(image, file) {
  return path.join(RECIPES, image, file);
}

export function freshDirectory(name) {
  const directory = path.join(BUILD, name);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  return directory;
}

/** What `inn image import` reads. */
export function describe(directory, description) {
  const json = JSON.stringify({ architecture: "x86_64", ...description }, undefined, 2);
  writeFileSync(path.join(directory, "image.json"), `${json}\n`);
}

if (process.argv[1] === import.meta.filename) buildImages();
