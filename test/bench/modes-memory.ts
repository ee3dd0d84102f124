/**
 * What a guest costs the host, by what the kernel says of its processes: each page is shared out
 * among those that have it (PSS). Memory of the kernel itself is in none of these figures.
 */
import { readFileSync, readlinkSync } from "node:fs";

export interface HostMemory {
  /** All processes of the guest, what runs in it included. */
  readonly heldMib: number;
  /** The same without what is the guest's: its memory, or the processes of a container. */
  readonly overheadMib: number;
}

interface Mapping {
  readonly sizeKib: number;
  readonly pssKib: number;
}

/** `roots`: its QEMU, or the holder of its container. */
export function hostMemory(roots: readonly number[], guestMemoryMib: number): HostMemory {
  const processes = [...new Set(roots.flatMap(withDescendants))];
  const own = pidNamespaceOf("self");
  let [heldKib, guestKib] = [0, 0];
  for (const pid of processes) {
    const isInside = pidNamespaceOf(String(pid)) !== own;
    for (const { sizeKib, pssKib } of mappingsOf(pid)) {
      heldKib += pssKib;
      if (isInside || sizeKib === guestMemoryMib * 1024) guestKib += pssKib;
    }
  }
  return { heldMib: heldKib / 1024, overheadMib: (heldKib - guestKib) / 1024 };
}

function withDescendants(pid: number): number[] {
  const children = read(`/proc/${pid}/task/${pid}/children`).split(" ").filter(Boolean);
  return [pid, ...children.map(Number).flatMap(withDescendants)];
}

function mappingsOf(pid: number): Mapping[] {
  const sizes = [
    ...read(`/proc/${pid}/smaps`).matchAll(/^Size: +(\d+) kB$[\s\S]*?^Pss: +(\d+) kB$/gm),
  ];
  return sizes.map(([, size, pss]) => ({ sizeKib: Number(size), pssKib: Number(pss) }));
}

function pidNamespaceOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return "";
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
