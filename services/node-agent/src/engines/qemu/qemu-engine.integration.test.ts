/**
 * The engine contract over real QEMU processes in real time, in every mode, with the tiny guest:
 * booted directly, and by firmware from a disk.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { engineContract } from "@innkeeper/core/testing/contracts/engine.contract";
import { afterAll } from "vitest";
import { qemuHarness } from "../../testing/qemu-harness.js";

const sharedDirectory = mkdtempSync(path.join(tmpdir(), "innkeeper-qemu-"));
afterAll(() => {
  rmSync(sharedDirectory, { recursive: true });
});

const MOVING = { canMigrate: true, canExec: false };
for (const mode of ["paravirt", "hybrid"] as const) {
  const options = { mode, guest: "tiny", sharedDirectory } as const;
  engineContract(`qemu, ${mode}`, () => qemuHarness(options), MOVING);
}
engineContract("qemu, full", () => qemuHarness({ mode: "full", guest: "disk", sharedDirectory }), {
  canMigrate: false,
  canExec: false,
});
