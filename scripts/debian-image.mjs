/**
 * Builds the images `debian` and `debian-rootfs` from one installation of a real distribution. The
 * first is as any other system is installed: a disk with a boot sector, GRUB, one ext4 partition,
 * the distribution's kernel and systemd. The second is the same without a kernel, for containers.
 * Root has no password: they are for tests. Needs root and the network, but neither a loop device
 * nor a hypervisor.
 */
import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { BUILD, describe, freshDirectory, recipe } from "./images.mjs";
import { installBusybox, packInitramfs } from "./initramfs.mjs";
import { fetchKernel, modulesOf } from "./kernel-package.mjs";
import { findProgram, hashOf, run, say, tryRun } from "./run.mjs";
import { unlessStamped } from "./stamp.mjs";

const SUITE = "bookworm";
const PACKAGES = ["systemd-sysv", "udev", "dbus", "iproute2", "qemu-guest-agent"];
const KERNELS = { debian: ["linux-image-amd64"], ubuntu: ["linux-image-generic"] };
/** For the disks, network cards and agent ports of every mode, the seed, and the power button. */
const MODULES = ["button", "evdev", "crc32c_generic", "ext4", "ata_piix", "ahci", "sd_mod"].concat([
  "virtio_pci",
  "virtio_blk",
  "virtio_net",
  "virtio-rng",
  "virtio_console",
  "e1000",
  "sr_mod",
  "isofs",
]);
const GRUB = "/usr/lib/grub/i386-pc";
const GRUB_MODULES = ["biosdisk", "part_msdos", "ext2", "linux", "boot"];

const MIB = 1024 * 1024;
const SECTOR_BYTES = 512;
const DISK_MIB = 512;
/** Where the only partition begins; GRUB lies between it and the boot sector. */
const PARTITION_SECTOR = 2048;
/** Where the code of a boot sector ends and the table of partitions begins. */
const BOOT_CODE_BYTES = 440;
const TABLE_AT = 446;
const LINUX_PARTITION = 0x83;
const ACTIVE = 0x80;
/** What GRUB 2.06 does not read. */
const EXT4_FEATURES = "^metadata_csum_seed,^orphan_file";

/** Not needed to run, and most of the bytes. */
const LEFT_OUT = ["var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man"].concat([
  "usr/share/locale",
  "usr/share/info",
  "var/log",
]);

const SCRIPTS = ["debian-image", "initramfs", "kernel-package"].map(
  (name) => `scripts/${name}.mjs`,
);

/** What only a machine has: the runtime makes `/dev`, and a container mounts nothing. */
const NOT_IN_CONTAINERS = ["./dev/*", "./boot/*", "./etc/fstab"];

/** Says so and does nothing where it cannot be built. */
export function buildDebian() {
  const programs = ["debootstrap", "grub-mkimage", "mke2fs", "qemu-img"];
  const missing = programs.filter((name) => findProgram(name) === undefined);
  if (process.getuid?.() !== 0 || missing.length > 0) {
    say(`image debian is left out: ${missing.join(", ") || "only root can build it"}`);
    return;
  }
  const key = hashOf(["images/debian", ...SCRIPTS]);
  try {
    unlessStamped("images/build/debian/.stamp", key, build);
  } catch (error) {
    say(`image debian is left out: ${error.message}`);
  }
}

function build() {
  say("building images debian and debian-rootfs (downloads the distribution, about a minute)");
  const output = freshDirectory("debian");
  const work = mkdtempSync(path.join(BUILD, "work-"));
  try {
    const root = path.join(work, "root");
    installSystem(root);
    packRootfs(root, freshDirectory("debian-rootfs"));
    installKernel(work, root);
    const disk = path.join(work, "disk.raw");
    makeFileSystem(root, disk);
    makeBootable(work, disk);
    run("qemu-img", ["convert", "-O", "qcow2", disk, path.join(output, "disk.qcow2")]);
  } finally {
    rmSync(work, { recursive: true });
  }
  describe(output, {
    id: "debian",
    kind: "disk",
    commandLine: "",
    memoryMibMin: 192,
    diskFormat: "qcow2",
    diskMib: DISK_MIB,
    guestAgent: true,
    readyText: " login: ",
    readyWithinMs: 900_000,
    blobs: [{ role: "disk", file: "disk.qcow2" }],
  });
}

function packRootfs(root, output) {
  const archive = path.join(output, "rootfs.tar.gz");
  const left = NOT_IN_CONTAINERS.map((each) => `--exclude=${each}`);
  const options = ["--create", "--numeric-owner", "--use-compress-program=gzip -1", ...left];
  run("tar", [...options, "--file", archive, "--directory", root, "."]);
  describe(output, {
    id: "debian-rootfs",
    kind: "rootfs",
    commandLine: "",
    memoryMibMin: 64,
    command: ["/sbin/init", "systemd.show_status=no"],
    systemd: true,
    readyText: " login: ",
    readyWithinMs: 120_000,
    blobs: [{ role: "rootfs", file: "rootfs.tar.gz" }],
  });
}

function installSystem(root) {
  const options = ["--variant=minbase", `--include=${PACKAGES.join(",")}`];
  const { status, stderr } = tryRun("debootstrap", [...options, SUITE, root]);
  if (status !== 0) throw new Error(`debootstrap failed: ${stderr.trimEnd().split("\n").at(-1)}`);
  for (const each of LEFT_OUT) rmSync(path.join(root, each), { recursive: true, force: true });
  mkdirSync(path.join(root, "var/log"));
  writeFileSync(path.join(root, "etc/hostname"), "debian\n");
  writeFileSync(path.join(root, "etc/machine-id"), "");
  rmSync(path.join(root, "var/lib/dbus/machine-id"), { force: true });
  writeFileSync(path.join(root, "etc/fstab"), "LABEL=root / ext4 defaults 0 1\n");
  copyFileSync(
    recipe("debian", "dhcp.network"),
    path.join(root, "etc/systemd/network/dhcp.network"),
  );
  installServices(root);
  run("chroot", [root, "passwd", "--quiet", "--delete", "root"]);
}

function installServices(root) {
  const services = ["guest-agent-serial", "nocloud", "nocloud-script"];
  for (const name of services) {
    const unit = `${name}.service`;
    copyFileSync(recipe("debian", unit), path.join(root, "etc/systemd/system", unit));
  }
  const nocloud = path.join(root, "usr/local/sbin/nocloud");
  copyFileSync(recipe("debian", "nocloud"), nocloud);
  chmodSync(nocloud, 0o755);
  const units = ["systemd-networkd", ...services];
  run("chroot", [root, "systemctl", "enable", "--quiet", ...units]);
}

function installKernel(work, root) {
  const kernel = fetchKernel(work, KERNELS);
  copyFileSync(kernel.file, path.join(root, "boot/vmlinuz"));
  const early = path.join(work, "initramfs");
  for (const each of ["bin", "modules", "proc", "sys", "dev", "root"]) {
    mkdirSync(path.join(early, each), { recursive: true });
  }
  installBusybox(path.join(early, "bin"));
  copyFileSync(recipe("debian", "init"), path.join(early, "init"));
  chmodSync(path.join(early, "init"), 0o755);
  const modules = modulesOf(kernel, MODULES);
  for (const { name, bytes } of modules) {
    writeFileSync(path.join(early, "modules", `${name}.ko`), bytes);
  }
  const order = modules.map(({ name }) => `${name}\n`).join("");
  writeFileSync(path.join(early, "modules/order"), order);
  packInitramfs(early, path.join(root, "boot/initrd"));
}

/** The partition alone, filled, at its place in the disk. */
function makeFileSystem(root, disk) {
  const partitionMib = DISK_MIB - (PARTITION_SECTOR * SECTOR_BYTES) / MIB;
  writeFileSync(disk, "");
  run("truncate", ["--size", `${DISK_MIB}M`, disk]);
  const place = `offset=${PARTITION_SECTOR * SECTOR_BYTES}`;
  const options = ["-q", "-F", "-t", "ext4", "-L", "root", "-O", EXT4_FEATURES, "-E", place];
  run("mke2fs", [...options, "-d", root, disk, `${partitionMib}M`]);
}

/**
 * GRUB's boot sector reads on at sector 1, where its core lies; no device is looked at for that.
 */
function makeBootable(work, disk) {
  const core = path.join(work, "core.img");
  const config = recipe("debian", "grub.cfg");
  const options = ["-O", "i386-pc", "-p", "(hd0,msdos1)/boot", "-c", config, "-o", core];
  run("grub-mkimage", [...options, ...GRUB_MODULES]);
  const sector = Buffer.alloc(SECTOR_BYTES);
  readFileSync(path.join(GRUB, "boot.img")).copy(sector, 0, 0, BOOT_CODE_BYTES);
  partitionEntry().copy(sector, TABLE_AT);
  sector.writeUInt16LE(0xaa55, SECTOR_BYTES - 2);
  const file = openSync(disk, "r+");
  writeSync(file, sector, 0, sector.length, 0);
  const bytes = readFileSync(core);
  writeSync(file, bytes, 0, bytes.length, SECTOR_BYTES);
  closeSync(file);
}

/** Cylinders, heads and sectors are nothing any more: out of range says so. */
function partitionEntry() {
  const sectors = (DISK_MIB * MIB) / SECTOR_BYTES - PARTITION_SECTOR;
  const entry = Buffer.from([ACTIVE, 0xfe, 0xff, 0xff, LINUX_PARTITION, 0xfe, 0xff, 0xff]);
  const place = Buffer.alloc(8);
  place.writeUInt32LE(PARTITION_SECTOR, 0);
  place.writeUInt32LE(sectors, 4);
  return Buffer.concat([entry, place]);
}

if (process.argv[1] === import.meta.filename) buildDebian();
