/** The modes that QEMU can run a guest in, and how it executes their instructions. */
import type { Acceleration, Mode } from "@innkeeper/core";

export const QEMU_MODES = ["hybrid", "paravirt", "full"] as const satisfies readonly Mode[];
export type QemuMode = (typeof QEMU_MODES)[number];

export type QemuAcceleration = Extract<Acceleration, "kvm" | "tcg">;

export function isQemuMode(mode: Mode): mode is QemuMode {
  return (QEMU_MODES as readonly Mode[]).includes(mode);
}
