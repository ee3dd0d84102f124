/**
 * A Docker engine for tests (see e2e-setup.mjs): the one that runs here, else one of our own where
 * we are root. Ours has its own data, socket and process-id file; it is ended by its process id.
 * What it leaves behind are its images, to be quick the next time, and Docker's iptables chains.
 */
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { composeCommand } from "./containers.mjs";
import { findProgram, say, tryRun } from "./run.mjs";

const CACHE = path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), ".cache"), "innkeeper");
const DATA = path.join(CACHE, "docker");
const RUN = "/run/innkeeper-docker";
const SOCKET = `unix://${RUN}/docker.sock`;
const PID_FILE = `${RUN}/docker.pid`;
/** Which test run uses the engine that is ours. */
const USER_FILE = `${RUN}/user.pid`;
const LOG_FILE = path.join(CACHE, "docker.log");

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;
const POLL_MS = 100;

/**
 * Gives `{ env, compose, isOurs, stop }`: the environment that leads clients to the engine, how
 * Compose is called, and how to let go of it. Or `{ reason }` when no engine can be had.
 */
export async function useEngine() {
  if (findProgram("docker") === undefined) return { reason: "the docker program is missing" };
  if (answers(process.env))
    return withCompose({ env: process.env, isOurs: false, stop: async () => undefined });
  if (process.getuid?.() !== 0) {
    return { reason: "no Docker engine runs here, and only root can start one" };
  }
  if (findProgram("dockerd") === undefined) {
    return { reason: "no Docker engine runs here, and none is installed (Debian: docker.io)" };
  }
  const env = { ...process.env, DOCKER_HOST: SOCKET };
  if (answers(env)) return adopt(env);
  return await start(env);
}

/** One that a test run left behind when it was killed; not one that is in use. */
function adopt(env) {
  const user = pidIn(USER_FILE);
  if (isAlive(user)) return { reason: `test run ${user} uses the Docker engine of the tests` };
  writeFileSync(USER_FILE, String(process.pid));
  return withCompose({ env, isOurs: true, stop: () => stop(pidIn(PID_FILE), hasDefaultBridge()) });
}

async function start(env) {
  say("starting a Docker engine");
  const hadBridge = hasDefaultBridge();
  mkdirSync(RUN, { recursive: true, mode: 0o700 });
  mkdirSync(DATA, { recursive: true, mode: 0o700 });
  const log = openSync(LOG_FILE, "w");
  const directories = ["--data-root", DATA, "--exec-root", path.join(RUN, "exec")];
  const args = [...directories, "--pidfile", PID_FILE, "--host", SOCKET];
  const child = spawn(findProgram("dockerd"), args, { stdio: ["ignore", log, log] });
  closeSync(log);
  await until(() => answers(env) || child.exitCode !== null, START_TIMEOUT_MS);
  if (!answers(env)) {
    child.kill("SIGKILL");
    return { reason: `a Docker engine does not start here: ${lastLogLine()}` };
  }
  writeFileSync(USER_FILE, String(process.pid));
  return withCompose({ env, isOurs: true, stop: () => stop(child.pid, hadBridge) });
}

async function stop(pid, hadBridge) {
  process.kill(pid, "SIGTERM");
  await until(() => !isAlive(pid), STOP_TIMEOUT_MS);
  if (isAlive(pid)) process.kill(pid, "SIGKILL");
  if (!hadBridge) tryRun("ip", ["link", "delete", "docker0"]);
}

async function withCompose(engine) {
  const compose = composeCommand();
  if (compose !== undefined) return { ...engine, compose };
  await engine.stop();
  return { reason: "Docker Compose is missing (Debian: docker-compose)" };
}

function answers(env) {
  return tryRun("docker", ["version", "--format", "{{.Server.Version}}"], { env }).status === 0;
}

function hasDefaultBridge() {
  return tryRun("ip", ["link", "show", "docker0"]).status === 0;
}

function pidIn(file) {
  try {
    return Number(readFileSync(file, "utf8"));
  } catch {
    return 0;
  }
}

/** Also false for a process that has ended and was not yet waited for. */
function isAlive(pid) {
  try {
    const [, state] = /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
    return pid > 0 && state !== "Z";
  } catch {
    return false;
  }
}

function lastLogLine() {
  return readFileSync(LOG_FILE, "utf8").trimEnd().split("\n").at(-1) ?? "it said nothing";
}

async function until(condition, timeoutMs) {
  const deadlineMs = performance.now() + timeoutMs;
  while (!condition() && performance.now() < deadlineMs) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
