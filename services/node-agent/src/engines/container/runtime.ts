/** Calls an OCI runtime program: its version, its verbs. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type DomainError, unavailable } from "@innkeeper/core";
import type { ContainerDirectory } from "./container-directory.js";
import { HOLDER_FILES } from "./holder-script.js";
import type { Runtime } from "./runtimes.js";

const VERSION_TIMEOUT_MS = 10_000;
const VERB_TIMEOUT_MS = 20_000;
/** SIGRTMIN+3, as the C library counts: what systemd takes for `power off`. */
const SYSTEMD_POWER_OFF = "37";

/** E.g. `1.1.5`. @throws `unavailable` saying what to install. */
export async function runtimeVersion(runtime: Runtime): Promise<string> {
  try {
    const { stdout } = await run(runtime, ["--version"], { timeout: VERSION_TIMEOUT_MS });
    return /version ([0-9][0-9.]*)/.exec(stdout)?.[1] ?? "unknown";
  } catch (error) {
    throw isMissing(error) ? notInstalled(runtime, error) : failed(runtime, error);
  }
}

/** `update`: the file with the new limits, inside the copy's directory. */
export type Verb =
  | { readonly act: "pause" | "resume" }
  | { readonly act: "shutdown"; readonly isSystemd: boolean }
  | { readonly act: "update"; readonly file: string };

/** @throws `unavailable` with the runtime's last words. */
export async function runtimeVerb(
  runtime: Runtime,
  { path: cwd, name }: ContainerDirectory,
  verb: Verb,
): Promise<void> {
  try {
    const state = ["--root", HOLDER_FILES.runtimeState];
    await run(runtime, [...state, ...argumentsOf(verb, name)], { cwd, timeout: VERB_TIMEOUT_MS });
  } catch (error) {
    throw failed(runtime, error);
  }
}

const run = promisify(execFile);

function argumentsOf(verb: Verb, name: string): readonly string[] {
  if (verb.act === "update") return ["update", "--resources", verb.file, name];
  if (verb.act !== "shutdown") return [verb.act, name];
  return ["kill", name, verb.isSystemd ? SYSTEMD_POWER_OFF : "TERM"];
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

function notInstalled(runtime: Runtime, cause: unknown): DomainError {
  return unavailable("engine", `${runtime} is not installed (Debian: ${runtime})`, cause);
}

function failed(runtime: Runtime, cause: unknown): DomainError {
  const said = cause instanceof Error && "stderr" in cause ? String(cause.stderr).trim() : "";
  const why = said.split("\n").at(-1) || (cause instanceof Error ? cause.message : String(cause));
  return unavailable("engine", `${runtime} failed: ${why}`, cause);
}
