/** What a process takes, from `/proc`: for hosts where control groups cannot be used. */
import { readFileSync } from "node:fs";
import type { CopyUsage } from "@innkeeper/core";

/** The kernel tells times in these, whatever its own clock does (USER_HZ). */
const TICK_MS = 10;
const PAGES_PER_MIB = 256;
/** Fields of `/proc/PID/stat` after the name, which may hold blanks: utime and stime. */
const UTIME = 11;
const STIME = 12;

export function processUsage(pid: number): CopyUsage | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[UTIME]) + Number(fields[STIME]);
    const [, resident] = readFileSync(`/proc/${pid}/statm`, "utf8").split(" ");
    return { cpuMs: ticks * TICK_MS, memoryMib: Math.ceil(Number(resident) / PAGES_PER_MIB) };
  } catch {
    return undefined;
  }
}
