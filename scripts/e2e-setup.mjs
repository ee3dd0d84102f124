/**
 * What the tests in test/e2e need before they run: an engine, base images, our images. They get it
 * by `inject("engine")`; where it cannot be had, they get the reason and skip themselves.
 */
import { makeBaseImages } from "./base-images.mjs";
import { buildImages, makeContainerFiles } from "./containers.mjs";
import { useEngine } from "./docker.mjs";
import { findProgram, say, tryRun } from "./run.mjs";

/** Tests must not replace the images that somebody works with. */
const IMAGES = {
  INN_CONTROLLER_IMAGE: "innkeeper/controller:test",
  INN_AGENT_IMAGE: "innkeeper/agent:test",
  INN_NATS_BUILT_IMAGE: "innkeeper/nats:test",
};

const OFFICIAL = [
  "node:20-bookworm-slim",
  "debian:bookworm-slim",
  "redis:7-bookworm",
  "nats:2.10-alpine",
];
const PULL_TIMEOUT_MS = 300_000;

export async function setup(project) {
  const engine = await useEngine();
  if (engine.reason !== undefined) {
    project.provide("engine", { reason: engine.reason });
    return undefined;
  }
  const { env, compose, stop } = engine;
  const built = await makeImages(env).catch(async (error) => {
    await stop();
    throw error;
  });
  // Clients in the tests' processes, which inherit it, look here for the engine.
  if (env.DOCKER_HOST !== undefined) process.env.DOCKER_HOST = env.DOCKER_HOST;
  project.provide("engine", { isComposePlugin: compose.length > 1, ...built });
  return async () => {
    if (engine.isOurs) removeLeftovers(env);
    await stop();
  };
}

/** Of tests that did not come to their end, and images that were replaced by newer ones. */
function removeLeftovers(env) {
  const { stdout } = tryRun("docker", ["ps", "--all", "--quiet"], { env });
  const ids = stdout.split("\n").filter(Boolean);
  if (ids.length > 0) tryRun("docker", ["rm", "--force", "--volumes", ...ids], { env });
  for (const kind of ["network", "volume", "image"]) {
    tryRun("docker", [kind, "prune", "--force"], { env });
  }
}

/** Gives `{ environment }` for docker-compose.yml, or `{ reason }`. */
async function makeImages(env) {
  const bases = baseImages(env);
  if (bases === undefined) return { reason: "no image registry is reached from here" };
  await makeContainerFiles();
  const environment = { ...IMAGES, ...bases };
  buildImages({ ...env, ...environment });
  return { environment };
}

/** The official ones where they are or can be had, else our own. */
function baseImages(env) {
  const docker = (...args) =>
    tryRun("docker", args, { env, timeout: PULL_TIMEOUT_MS }).status === 0;
  const isHere = (name) => docker("image", "inspect", name);
  if (OFFICIAL.every(isHere)) return {};
  const canMake = process.getuid?.() === 0 && findProgram("debootstrap") !== undefined;
  const made = tryRun("docker", ["images", "--quiet", "innkeeper-base/debian"], { env }).stdout;
  if (canMake && made !== "") return makeBaseImages(env);
  say("looking for official base images");
  if (OFFICIAL.every((name) => isHere(name) || docker("pull", "--quiet", name))) return {};
  return canMake ? makeBaseImages(env) : undefined;
}
