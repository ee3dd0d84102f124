/** The device of a QEMU guest on a bridge. QEMU may not start programs, so it is made before. */
import { existsSync } from "node:fs";
import type { GuestLimits } from "@innkeeper/core";
import { BridgeDevice, ip, whyNoBridge } from "../bridge-device.js";

export class CopyTap extends BridgeDevice {
  /** On the bridge and up. @throws `unavailable` with what the system says. */
  async make(bridge: string, limits?: Partial<GuestLimits>): Promise<void> {
    await this.remove();
    await ip(["tuntap", "add", "dev", this.name, "mode", "tap"]);
    await this.connect(bridge, limits);
  }
}

/** Why QEMU guests cannot be on this bridge; undefined = they can. */
export function whyNoTap(bridge: string): string | undefined {
  const why = whyNoBridge(bridge);
  return why ?? (existsSync("/dev/net/tun") ? undefined : "this host has no /dev/net/tun");
}
