/**
 * How many bytes a second go over a network device of a guest, in each direction. What goes to the
 * guest waits in a token bucket of the device; what comes from it arrives, so it is led through a
 * second device (ifb) and waits there. Its name follows from the first one's.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { type GuestLimits, unavailable } from "@innkeeper/core";

const TIMEOUT_MS = 10_000;
/** What the kernel takes. */
const NAME_LENGTH_MAX = 15;
const PREFIX = "inl";
/** Time's worth of bytes that may go at once, and bytes of one large segment. */
const BURST_MS = 10;
const BURST_BYTES_MIN = 64 * 1024;
/** How long a byte may wait before others are dropped. */
const LATENCY = "100ms";
const INGRESS = "ffff:";

export type NetRates = Pick<GuestLimits, "netInBytesPerSecondMax" | "netOutBytesPerSecondMax">;

export class NetLimit {
  readonly #second: string;

  constructor(private readonly device: string) {
    const hash = createHash("sha256").update(device).digest("hex");
    this.#second = `${PREFIX}${hash}`.slice(0, NAME_LENGTH_MAX);
  }

  /** 0 = none. Idempotent. @throws `unavailable` with what the system says. */
  async set({ netInBytesPerSecondMax, netOutBytesPerSecondMax }: NetRates): Promise<void> {
    if (netInBytesPerSecondMax > 0) await shape(this.device, netInBytesPerSecondMax);
    else await tc(["qdisc", "delete", "dev", this.device, "root"]).catch(notThere);
    if (netOutBytesPerSecondMax > 0) await this.#limitOut(netOutBytesPerSecondMax);
    else await this.remove();
  }

  /** What leaves the guest is no longer limited. The rest goes with its device. Idempotent. */
  async remove(): Promise<void> {
    if (!isThere(this.#second)) return;
    if (isThere(this.device)) await tc(["qdisc", "delete", "dev", this.device, "ingress"]);
    await run("ip", ["link", "delete", "dev", this.#second]);
  }

  async #limitOut(bytesPerSecond: number): Promise<void> {
    if (isThere(this.#second)) return await shape(this.#second, bytesPerSecond);
    await run("ip", ["link", "add", "name", this.#second, "type", "ifb"]);
    await run("ip", ["link", "set", "dev", this.#second, "up"]);
    await shape(this.#second, bytesPerSecond);
    await tc(["qdisc", "add", "dev", this.device, "handle", INGRESS, "ingress"]);
    const all = ["protocol", "all", "prio", "1", "u32", "match", "u32", "0", "0"];
    const lead = ["action", "mirred", "egress", "redirect", "dev", this.#second];
    await tc(["filter", "add", "dev", this.device, "parent", INGRESS, ...all, ...lead]);
  }
}

/** Why rates cannot be limited on this host; undefined = they can. Tried with a device of ours. */
export async function whyNoNetLimit(): Promise<string | undefined> {
  const device = `${PREFIX}p${process.pid}`;
  const limit = new NetLimit(device);
  try {
    await run("ip", ["link", "add", "name", device, "type", "ifb"]);
    await limit.set({ netInBytesPerSecondMax: 1_000_000, netOutBytesPerSecondMax: 1_000_000 });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await limit.remove().catch(notThere);
    await run("ip", ["link", "delete", "dev", device]).catch(notThere);
  }
}

async function shape(device: string, bytesPerSecond: number): Promise<void> {
  const burst = Math.max(BURST_BYTES_MIN, Math.ceil((bytesPerSecond * BURST_MS) / 1000));
  const rate = ["rate", `${bytesPerSecond}bps`, "burst", `${burst}b`, "latency", LATENCY];
  await tc(["qdisc", "replace", "dev", device, "root", "tbf", ...rate]);
}

function isThere(device: string): boolean {
  return existsSync(`/sys/class/net/${device}`);
}

function notThere(): void {
  // There was none.
}

function tc(args: readonly string[]): Promise<void> {
  return run("tc", args);
}

async function run(program: string, args: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)(program, args, { timeout: TIMEOUT_MS });
  } catch (error) {
    const said = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
    const why = `${program} ${args.join(" ")}: ${said || String(error)}`;
    throw unavailable("network limit", why, error);
  }
}
