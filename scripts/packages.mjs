/** The operating system's packages: what each purpose needs, and how to get them. */
import { existsSync, readFileSync } from "node:fs";
import { findProgram, run, say, stop, tryRun } from "./run.mjs";

/** Debian package for each program that must be there. */
const PROGRAMS = {
  build: {},
  demo: {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    busybox: "busybox-static",
    cpio: "cpio",
    as: "binutils",
    ld: "binutils",
    objcopy: "binutils",
    runc: "runc",
    perl: "perl-base",
    "mkfs.ext4": "e2fsprogs",
    slirp4netns: "slirp4netns",
  },
};
PROGRAMS.test = {
  ...PROGRAMS.demo,
  "redis-server": "redis-server",
  "nats-server": "nats-server",
};
/** With the peer that the bench `rebalance` compares with. */
PROGRAMS.bench = { ...PROGRAMS.test, hbal: "ganeti-htools" };

/** For tests in containers, which are left out where these cannot be had. */
const ENGINE_PROGRAMS = {
  docker: "docker.io",
  dockerd: "docker.io",
  "docker-compose": "docker-compose",
  debootstrap: "debootstrap",
};

/** For the image of a whole distribution (see debian-image.mjs), likewise. */
const DISTRIBUTION_PROGRAMS = {
  debootstrap: "debootstrap",
  mke2fs: "e2fsprogs",
  "grub-mkimage": "grub-common",
  "../lib/grub/i386-pc/grub-bios-setup": "grub-pc-bin",
};

/** Installs what is missing, or stops with the one line to type (exit code 3). */
export function installPackages(purpose) {
  installRequired(purpose);
  if (purpose !== "test") return;
  if (tryRun("docker", ["version"]).status !== 0)
    installOptional("tests in containers", ENGINE_PROGRAMS);
  installOptional("tests of a whole distribution", DISTRIBUTION_PROGRAMS);
}

function installRequired(purpose) {
  const missing = missingPackages(PROGRAMS[purpose]);
  if (missing.length === 0) return;
  const command = `apt-get install --yes --no-install-recommends ${missing.join(" ")}`;
  if (!isDebian()) {
    const programs = Object.keys(PROGRAMS[purpose]).join(", ");
    stop(`innkeeper needs ${programs}; on Debian or Ubuntu: sudo ${command}`, 3);
  }
  if (process.getuid?.() !== 0) stop(`innkeeper needs: sudo ${command}`, 3);
  say(`installing packages: ${missing.join(" ")}`);
  refreshPackageLists();
  run(...aptInstall(missing));
}

/** Where root can install them. */
function installOptional(purpose, programs) {
  const missing = missingPackages(programs);
  const canInstall = process.getuid?.() === 0 && isDebian();
  if (missing.length === 0 || !canInstall) return;
  say(`installing packages: ${missing.join(" ")}`);
  tryRun("apt-get", ["update", "-qq"]);
  const { status, stderr } = tryRun(...aptInstall(missing));
  if (status !== 0) say(`${purpose} are left out: ${stderr}`);
}

function aptInstall(names) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  return ["apt-get", ["install", "--yes", "-qq", "--no-install-recommends", ...names], { env }];
}

/** `apt-get download` and `install` need lists, which a fresh machine may not have. */
export function refreshPackageLists() {
  if (process.getuid?.() === 0) run("apt-get", ["update", "-qq"]);
}

function missingPackages(programs) {
  const missing = Object.entries(programs).filter(([program]) => !hasProgram(program));
  return [...new Set(missing.map(([, name]) => name))];
}

function hasProgram(program) {
  const file = findProgram(program);
  return file !== undefined && (program !== "busybox" || isStatic(file));
}

/** Only a static busybox runs in an initramfs by itself. */
function isStatic(file) {
  return !readFileSync(file).includes("/lib64/ld-linux");
}

function isDebian() {
  return existsSync("/etc/debian_version") && tryRun("apt-get", ["--version"]).status === 0;
}
