/** How many files a process of this host may have open at once: guests cannot be given more. */
import { readFileSync } from "node:fs";

const WANTED_MAX = 65_536;

export function openFilesMax(): number {
  const limits = readFileSync("/proc/self/limits", "utf8");
  const hard = Number(/^Max open files +\S+ +([0-9]+)/m.exec(limits)?.[1] ?? WANTED_MAX);
  return Math.min(hard, WANTED_MAX);
}
