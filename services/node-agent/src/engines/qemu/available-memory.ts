/** How much memory the host could still give without swapping. */
import { readFileSync } from "node:fs";
import { freemem } from "node:os";

const KIB_PER_MIB = 1024;

export function availableMemoryMib(): number {
  const [, kib] = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8")) ?? [];
  return kib === undefined ? freemem() / KIB_PER_MIB / KIB_PER_MIB : Number(kib) / KIB_PER_MIB;
}
