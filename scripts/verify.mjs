/**
 * The one word for "ready": every static check, the unit tests with tidy, and the simulation.
 * Nothing here needs QEMU.
 */
import path from "node:path";
import { ROOT, tryRun } from "./run.mjs";

const script = path.join(ROOT, "scripts", "test.mjs");
const args = ["--checks", "--project", "unit", "--project", "simulation"];
process.exitCode = tryRun(process.execPath, [script, ...args], { stdio: "inherit" }).status ?? 1;
