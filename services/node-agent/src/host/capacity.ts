/** What this host has, read from the operating system. */
import { statfsSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import type { Resources } from "@innkeeper/core";

const MIB = 1024 * 1024;

/** `share` nodes on one host divide it evenly. */
export function hostCapacity(directory: string, share: number): Resources {
  const { bavail, bsize } = statfsSync(directory);
  return {
    cpuMillis: Math.floor((availableParallelism() * 1000) / share),
    memoryMib: Math.floor(totalmem() / MIB / share),
    diskMib: Math.floor((bavail * bsize) / MIB / share),
  };
}
