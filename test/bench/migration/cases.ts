/** What is moved. */

import path from "node:path";
import type { CopyLaunch } from "@innkeeper/core";
import { until } from "../until.js";

export interface MigrationCase {
  readonly name: string;
  readonly memoryMib: number;
  /** Written once, before it is moved. */
  readonly fillMib: number;
  /** MiB of pages written each second, over 64 MiB. */
  readonly dirtyMib: number;
  readonly rounds: number;
}

const TINY = path.resolve("images", "build", "tiny", "tiny.elf");
const FEW = 3;
/** How long a guest has run when it is moved: its agent has measured what it writes by then. */
export const AGE_MS = 3_000;

export const CASES: readonly MigrationCase[] = [
  idle(128, FEW),
  idle(256, 21),
  idle(512, FEW),
  idle(1024, FEW),
  idle(2048, FEW),
  dirtying(20, 5),
  dirtying(100, 7),
  dirtying(400, 5),
];

/** Half of its memory holds something. */
function idle(memoryMib: number, rounds: number): MigrationCase {
  return { name: `idle-${memoryMib}`, memoryMib, fillMib: memoryMib / 2, dirtyMib: 0, rounds };
}

function dirtying(dirtyMib: number, rounds: number): MigrationCase {
  return { name: `dirty-${dirtyMib}`, memoryMib: 256, fillMib: 128, dirtyMib, rounds };
}

export function commandLineOf({ fillMib, dirtyMib }: MigrationCase): string {
  return `beat=1000 fill=${fillMib} dirty=${dirtyMib} span=64`;
}

export function bootOf(each: MigrationCase): CopyLaunch["boot"] {
  const commandLine = commandLineOf(each);
  return { kind: "kernel", kernelPath: TINY, initrdPath: undefined, commandLine };
}

export async function untilAged(sinceMs: number): Promise<void> {
  await until(() => performance.now() - sinceMs >= AGE_MS, "the guest's age");
}

export interface Moved {
  /** From the request, or the command, until the guest runs at the target and the move is over. */
  readonly totalMs: number;
  /** As the guest shows it. */
  readonly downtimeMs: number;
  /** As QEMU tells it. */
  readonly engineDowntimeMs: number;
  /** How long it took, as the operation tells it, over what was forecast; 0 = nothing was. */
  readonly forecastRatio?: number;
}
