/**
 * QEMU's arguments for one copy. Devices are JSON, every argument is an element of its own, and
 * nothing that a user wrote is ever parsed by QEMU: the command line reaches the guest as it is.
 *
 * `full`     a PC of old: firmware boots an IDE disk; e1000, VGA; nothing that knows of QEMU.
 * `hybrid`   q35 with firmware and PCI, paravirtual disk, network, entropy, balloon.
 * `paravirt` microvm: no firmware menus, no PCI; virtio over memory-mapped I/O, direct kernel boot.
 */
import { type CopyLaunch, type DomainError, precondition } from "@innkeeper/core";
import { copyName } from "../copy-name.js";
import { agentArguments } from "./agent-arguments.js";
import { COPY_FILES } from "./copy-directory.js";
import { diskArguments } from "./disk-arguments.js";
import { IDENTITY_FILE } from "./identity.js";
import type { QemuAcceleration, QemuMode } from "./modes.js";
import { NO_NETWORK, networkArguments, type TapDevice } from "./network-arguments.js";
import { seedArguments, toldOnCommandLine } from "./seed-arguments.js";

/** The machine's clock stays on in microvm: Linux waits two seconds for one that is missing. */
const MACHINE: Readonly<Record<QemuMode, string>> = {
  full: "pc,vmport=off",
  hybrid: "q35",
  paravirt: "microvm,x-option-roms=off,isa-serial=off,rtc=on",
};

const LOCAL = "127.0.0.1";
/** For the guest: it is to wait until it is told who it is. */
const IS_TEMPLATE = "innkeeper.template=1";

/** How the virtio devices of each machine that has some are called. */
const BUS = { hybrid: "pci", paravirt: "device" } as const;

/** TCG's five-level page tables cost boot time and bring nothing to guests of this size. */
const CPU: Readonly<Record<QemuAcceleration, string>> = {
  kvm: "host",
  tcg: "max,la57=off",
};

const SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

export interface QemuMachine {
  readonly mode: QemuMode;
  readonly acceleration: QemuAcceleration;
  /** Rate of the host's time-stamp counter, when known. */
  readonly tscKhz: number | undefined;
  /** IP address of the node on which ports lead to guests. */
  readonly forwardHost?: string | undefined;
  /** The device of a guest on a bridge. */
  readonly tap?: TapDevice | undefined;
  /** Undefined: the machine boots. */
  readonly template?: TemplateRole | undefined;
  /** Number under which one that begins from a template has its state open. */
  readonly stateDescriptor?: number | undefined;
}

/** It is to become a template, or begins as one. */
export type TemplateRole = "made" | "used";

/** Run inside the copy's directory. */
export function qemuArguments(launch: CopyLaunch, machine: QemuMachine): string[] {
  const { mode, acceleration } = machine;
  return [
    ...["-nodefaults", "-no-user-config", "-display", "none"],
    ...["-name", copyName(launch), "-uuid", launch.guestUid],
    ...["-sandbox", SANDBOX],
    ...["-machine", `${MACHINE[mode]},accel=${acceleration}`, "-cpu", CPU[acceleration]],
    ...["-smp", String(launch.vcpuCount), "-m", String(launch.memoryMib)],
    ...["-qmp", `unix:${COPY_FILES.monitor},server=on,wait=off`],
    ...["-no-reboot", "-trace", "qemu_system_shutdown_request"],
    ...consoleArguments(),
    ...(launch.hasGuestAgent === true ? agentArguments(mode) : []),
    ...devices(launch, machine),
    ...diskArguments(launch, mode),
    ...(machine.template === "made" ? [] : seedArguments(launch, mode)),
    ...bootArguments(launch, machine),
    ...(machine.template === "used" ? beginArguments(machine) : []),
    ...(launch.isIncoming ? ["-incoming", "defer"] : []),
    ...(launch.isIncoming || launch.restore?.statePath ? ["-S"] : []),
  ];
}

/**
 * Firmware starts the first disk or nothing, in whatever order it would look by itself. What begins
 * from a template has its kernel in memory: QEMU need not read one.
 */
function bootArguments(launch: CopyLaunch, machine: QemuMachine): string[] {
  if (machine.template === "used") return [];
  const { boot, disks } = launch;
  const { mode } = machine;
  const isFromDisk = boot.kind === "disk" && mode !== "paravirt" && disks.length > 0;
  if (isFromDisk) return ["-boot", "strict=on"];
  if (boot.kind !== "kernel" || mode === "full") throw notBootable(boot.kind, mode);
  const { kernelPath, initrdPath, commandLine } = boot;
  const isMade = machine.template === "made";
  const toldBeside = isMade ? [IS_TEMPLATE] : toldOnCommandLine(launch);
  const told = [commandLine, ...toldBeside].filter(Boolean).join(" ");
  return [
    ...["-kernel", kernelPath],
    ...(initrdPath === undefined ? [] : ["-initrd", initrdPath]),
    ...["-append", kernelCommandLine(told, machine)],
  ];
}

/** The state comes by a file that is open already. */
function beginArguments({ stateDescriptor }: QemuMachine): string[] {
  const identity = `name=opt/org.innkeeper/identity,file=${IDENTITY_FILE}`;
  return ["-fw_cfg", identity, "-incoming", `fd:${stateDescriptor}`];
}

function notBootable(kind: string, mode: string): DomainError {
  const message = `qemu boots no ${kind} image in ${mode} mode`;
  return precondition("IMAGE_NOT_BOOTABLE", message, { kind, mode });
}

/** What only the machine can know, and the guest's own, in which the kernel's part may end. */
function kernelCommandLine(
  commandLine: string,
  { mode, acceleration, tscKhz }: QemuMachine,
): string {
  const isTold = mode === "paravirt" && acceleration === "tcg" && tscKhz !== undefined;
  return isTold ? `tsc_early_khz=${tscKhz} ${commandLine}`.trimEnd() : commandLine;
}

/** The serial port: a socket for whoever attaches, and a log of all output. */
function consoleArguments(): string[] {
  const { serial, console } = COPY_FILES;
  return [
    "-chardev",
    `socket,id=console,path=${serial},server=on,wait=off,logfile=${console},logappend=on`,
    ...device({ driver: "isa-serial", chardev: "console" }),
  ];
}

function devices({ guestUid, network: wanted }: CopyLaunch, machine: QemuMachine): string[] {
  const { mode } = machine;
  const mac = macAddressOf({ guestUid, network: wanted });
  const { forwardHost = LOCAL, tap } = machine;
  const network =
    machine.template === "made"
      ? NO_NETWORK
      : networkArguments({ forwards: wanted?.forwards ?? [], forwardHost, tap });
  if (mode === "full") {
    return [
      ...network,
      ...device({ driver: "e1000", netdev: "network", mac, romfile: "" }),
      ...device({ driver: "VGA" }),
    ];
  }
  const bus = BUS[mode];
  return [
    ...network,
    ...device({ driver: `virtio-net-${bus}`, netdev: "network", mac }),
    ...device({ driver: `virtio-rng-${bus}` }),
    ...device({ driver: `virtio-balloon-${bus}` }),
    ...device({ driver: "pvpanic" }),
  ];
}

function device(properties: Readonly<Record<string, string>>): string[] {
  return ["-device", JSON.stringify(properties)];
}

export function macAddressOf({
  guestUid,
  network,
}: {
  readonly guestUid: string;
  readonly network?: CopyLaunch["network"] | undefined;
}): string {
  return network?.macAddress ?? macAddress(guestUid);
}

/**
 * For guests of old: QEMU's own prefix and three bytes of the guest's random identity, the same on
 * every node the guest moves to.
 */
function macAddress(guestUid: string): string {
  const [a, b, c] = [guestUid.slice(-6, -4), guestUid.slice(-4, -2), guestUid.slice(-2)];
  return `52:54:00:${a}:${b}:${c}`;
}
