/**
 * The network device of one copy on a bridge of the host: what its engine makes for it, and removes
 * with it. Its name follows from the copy's: an agent that starts again finds it.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { allLimits, type GuestLimits, limitsNetwork, unavailable } from "@innkeeper/core";
import { NetLimit } from "./net-limit.js";

const IP_TIMEOUT_MS = 10_000;
/** What the kernel takes. */
const NAME_LENGTH_MAX = 15;
const PREFIX = "inn";

export class BridgeDevice {
  readonly name: string;

  constructor(copyName: string) {
    this.name = deviceName(PREFIX, copyName);
  }

  /** What goes over it in each second; nothing where there is none. */
  async limit(limits: Partial<GuestLimits> | undefined): Promise<void> {
    if (this.#exists) await new NetLimit(this.name).set(allLimits(limits));
  }

  /** Idempotent. */
  async remove(): Promise<void> {
    await new NetLimit(this.name).remove();
    if (this.#exists) await ip(["link", "delete", "dev", this.name]);
  }

  /** @throws `unavailable` with what the system says. */
  protected async connect(bridge: string, limits: Partial<GuestLimits> | undefined): Promise<void> {
    await ip(["link", "set", "dev", this.name, "master", bridge, "up"]);
    if (limitsNetwork(limits)) await this.limit(limits);
  }

  get #exists(): boolean {
    return existsSync(`/sys/class/net/${this.name}`);
  }
}

export function deviceName(prefix: string, copyName: string): string {
  const hash = createHash("sha256").update(copyName).digest("hex");
  return `${prefix}${hash}`.slice(0, NAME_LENGTH_MAX);
}

/** Why guests cannot be on this bridge; undefined = they can. */
export function whyNoBridge(bridge: string): string | undefined {
  if (process.getuid?.() !== 0) return "a bridge needs an agent that runs as root";
  if (!existsSync(`/sys/class/net/${bridge}/bridge`)) return `${bridge} is no bridge of this host`;
  return undefined;
}

/** @throws `unavailable` with what the system says. */
export function ip(args: readonly string[]): Promise<void> {
  return run("ip", args);
}

/** @throws `unavailable` with what the system says. */
export async function run(program: string, args: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)(program, args, { timeout: IP_TIMEOUT_MS });
  } catch (error) {
    const said = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
    throw unavailable("bridge", `${program} ${args.join(" ")}: ${said || String(error)}`, error);
  }
}
