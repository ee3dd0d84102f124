/**
 * The device of a container on a bridge: one end of a pair, whose other end is in the container's
 * network namespace, as `eth0`. Both are gone with that namespace. It is there a moment after the
 * container's first process, for it takes one to have a namespace.
 */
import { readFileSync } from "node:fs";
import { assert, type CopyLaunch, unavailable } from "@innkeeper/core";
import { BridgeDevice, deviceName, ip, run } from "../bridge-device.js";

/** Of the end that goes into the container, until it is there. */
const PREFIX = "ing";
const INSIDE = "eth0";

export class ContainerVeth extends BridgeDevice {
  readonly #otherEnd: string;

  constructor(private readonly copyName: string) {
    super(copyName);
    this.#otherEnd = deviceName(PREFIX, copyName);
  }

  /** Of a container that runs. @throws `unavailable` with what the system says. */
  async make(bridge: string, pid: number, launch: CopyLaunch): Promise<void> {
    const { macAddress, ipAddress } = launch.network ?? {};
    assert(ipAddress !== undefined, "a guest on a bridge has an address");
    await this.remove();
    const address = macAddress === undefined ? [] : ["address", macAddress];
    const other = ["peer", "name", this.#otherEnd, ...address];
    await ip(["link", "add", "name", this.name, "type", "veth", ...other]);
    if (!this.#isOurs(pid)) throw unavailable("network", "the container has ended");
    await ip(["link", "set", "dev", this.#otherEnd, "netns", String(pid), "name", INSIDE]);
    const inside = (...args: readonly string[]): Promise<void> =>
      run("nsenter", [`--net=/proc/${pid}/ns/net`, "ip", ...args]);
    await inside("addr", "add", ipAddress, "dev", INSIDE);
    await inside("link", "set", "dev", INSIDE, "up");
    await this.connect(bridge, launch.limits);
  }

  /** A process id that the system gave to somebody else is never touched. */
  #isOurs(pid: number): boolean {
    try {
      return readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(this.copyName);
    } catch {
      return false;
    }
  }
}
