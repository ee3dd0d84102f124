/**
 * What of this host can run containers, proved by running one: each runtime with each way to
 * provide a root file system, best first, until one works.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type CopyExit, toDomainError } from "@innkeeper/core";
import { NETWORK_PROGRAM } from "./container-network.js";
import { ROOT_STORAGES, type RootStorage } from "./rootfs-store.js";
import { runtimeVersion } from "./runtime.js";
import { RUNTIMES, type Runtime } from "./runtimes.js";

const NETWORK_TIMEOUT_MS = 10_000;

export interface HostMeans {
  readonly runtime: Runtime;
  readonly storage: RootStorage;
}

export interface Probed {
  /** Undefined when nothing works here. */
  readonly means: (HostMeans & { readonly version: string | undefined }) | undefined;
  /** One sentence for each thing that does not work, when nothing or not the best does. */
  readonly problems: readonly string[];
}

/** `run` launches a container that ends at once and tells how it ended. */
export async function probeMeans(run: (means: HostMeans) => Promise<CopyExit>): Promise<Probed> {
  const problems: string[] = [];
  if (process.getuid?.() !== 0) {
    return { means: undefined, problems: ["containers need an agent that runs as root"] };
  }
  for (const runtime of RUNTIMES) {
    const version = await versionOr(runtime, problems);
    for (const storage of version === undefined ? [] : ROOT_STORAGES) {
      const problem = await problemOf(() => run({ runtime, storage }));
      if (problem === undefined) return { means: { runtime, storage, version }, problems };
      problems.push(`${runtime} with ${storage} root file systems: ${problem}`);
    }
  }
  return { means: undefined, problems };
}

/** Why no ports can be led to containers here; undefined = they can. */
export async function whyNoNetwork(): Promise<string | undefined> {
  try {
    await promisify(execFile)(NETWORK_PROGRAM, ["--version"], { timeout: NETWORK_TIMEOUT_MS });
    return undefined;
  } catch {
    return `no ports lead to containers: ${NETWORK_PROGRAM} is not installed or does not work`;
  }
}

async function versionOr(runtime: Runtime, problems: string[]): Promise<string | undefined> {
  try {
    return await runtimeVersion(runtime);
  } catch (error) {
    problems.push(toDomainError(error).message);
    return undefined;
  }
}

async function problemOf(run: () => Promise<CopyExit>): Promise<string | undefined> {
  try {
    const { reason, message } = await run();
    return reason === "guest-shutdown" ? undefined : message;
  } catch (error) {
    return toDomainError(error).message;
  }
}
