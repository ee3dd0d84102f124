/**
 * The work that every mode does, as one shell script that brings its own program
 * (`modes-work.S`): `bench NAME VALUE` for each thing measured, then `bench done`. Values are
 * nanoseconds by the guest's own clock.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";

export const DISK_MIB = 256;
/** Blocks of 64 KiB that the server sends to each that asks: 64 MiB. */
export const NET_BLOCKS = 1024;
const NET_MIB = NET_BLOCKS / 16;
const ROUNDS = 100_000_000;
const RANDOM_READS = 10_000;
const PINGS = 5_000;
/** Seconds until a guest must have its address. */
const WAITS_MAX = 15;
const DEPTH = 8;
/** The first 4 KiB blocks of the disk: as much as was written. */
const BLOCKS = DISK_MIB * 256;

export interface WorkPlace {
  /** A disk, or a file on one; 256 MiB of it are written. */
  readonly disk: string;
  /** Address and port of the program's server; undefined = nothing is reached. */
  readonly server: string | undefined;
  /** Where the lines go; empty = standard output. */
  readonly output: string;
  /** Where the program is put. */
  readonly program: string;
}

/** Made of its source in the given directory; the same bytes for the host and all guests. */
export function buildProgram(directory: string): string {
  const [object, program] = ["work.o", "work"].map((name) => path.join(directory, name));
  if (object === undefined || program === undefined) throw new Error("there are two names");
  execFileSync("as", ["--64", "-o", object, path.resolve("test/bench/modes-work.S")]);
  execFileSync("ld", ["-m", "elf_x86_64", "-static", "-s", "-o", program, object]);
  return program;
}

export function workScript(built: string, { disk, server, output, program }: WorkPlace): string {
  const packed = gzipSync(readFileSync(built)).toString("base64");
  const reach = server === undefined ? "" : networkPart(server);
  return `#!/bin/sh
${output === "" ? "" : `exec >${output}`}
exec 2>/dev/null
echo "bench begins 0"
w=${program}
echo ${packed} | base64 -d | gunzip >$w
chmod 700 $w
measure() { name=$1; shift; taken=$($w "$@") && echo "bench $name $taken"; }
now() { read -r up rest </proc/uptime; echo "\${up%.*}\${up#*.}"; }
copy() {
  name=$1; shift; from=$(now); dd bs=1048576 count=${DISK_MIB} "$@"
  echo "bench $name $((($(now) - from) * 10000000))"
}
for wait in 1 2 3 4 5 6 7 8 9 10; do [ -e ${disk} ] && break; sleep 1; done
measure cpu c ${ROUNDS}
measure memory m ${ROUNDS / 4}
copy write if=/dev/zero of=${disk} oflag=direct conv=notrunc
copy read if=${disk} of=/dev/null iflag=direct
measure random r ${disk} ${BLOCKS} ${RANDOM_READS} 1
measure deep r ${disk} ${BLOCKS} ${RANDOM_READS} ${DEPTH}
${reach}
echo "bench done 0"
`;
}

function networkPart(server: string): string {
  const waits = Array.from({ length: WAITS_MAX }, (_, index) => index).join(" ");
  return `for wait in ${waits}; do $w p ${server} 1 && break; sleep 1; done
measure net f ${server}
measure ping p ${server} ${PINGS}`;
}

/** What the script said, in nanoseconds; what failed is not there. */
export function saidIn(text: string): ReadonlyMap<string, number> {
  const lines = text.matchAll(/^bench ([a-z]+) (\d+)\s*$/gm);
  return new Map([...lines].map(([, name = "", value]) => [name, Number(value)]));
}

/** What is measured: its name among the results, its unit, and how it follows from the time. */
export const FIGURES = {
  cpu: figure("cpu", "million rounds/s", (seconds) => ROUNDS / 1e6 / seconds),
  memory: figure("cpu-memory", "million rounds/s", (seconds) => ROUNDS / 4e6 / seconds),
  write: figure("disk-write", "MiB/s", (seconds) => DISK_MIB / seconds),
  read: figure("disk-read", "MiB/s", (seconds) => DISK_MIB / seconds),
  random: figure("disk-4k-random", "reads/s", (seconds) => RANDOM_READS / seconds),
  deep: figure(`disk-4k-random-depth-${DEPTH}`, "reads/s", (seconds) => RANDOM_READS / seconds),
  net: figure("net", "MiB/s", (seconds) => NET_MIB / seconds),
  ping: figure("net-latency", "us", (seconds) => (seconds * 1e6) / PINGS),
} as const;

export type FigureKey = keyof typeof FIGURES;
export type WorkFigures = Partial<Readonly<Record<FigureKey, number>>>;

export function figuresOf(said: ReadonlyMap<string, number>): WorkFigures {
  const figures: Partial<Record<FigureKey, number>> = {};
  for (const key of Object.keys(FIGURES) as FigureKey[]) {
    const nanoseconds = said.get(key);
    if (nanoseconds) figures[key] = FIGURES[key].of(nanoseconds / 1e9);
  }
  return figures;
}

function figure(name: string, unit: string, of: (seconds: number) => number) {
  return { name, unit, of };
}
