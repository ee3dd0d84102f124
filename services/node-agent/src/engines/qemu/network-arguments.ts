/**
 * QEMU's arguments for the network behind the guest's card: one of its own, in which the guest is
 * reached by nobody but through the ports that lead to it, or a device on a bridge of the host.
 */
import type { PortForward } from "@innkeeper/core";

/** All numbers, checked addresses and names of ours: nothing can be taken for anything else. */
export function networkArguments({ forwards, forwardHost, tap }: GuestNetworkDevice): string[] {
  return ["-netdev", JSON.stringify({ id: "network", ...backend({ forwards, forwardHost, tap }) })];
}

/** A card that leads nowhere: no address is ever given to it. */
export const NO_NETWORK: readonly string[] = [
  "-netdev",
  JSON.stringify({ id: "network", type: "hubport", hubid: 0 }),
];

export interface GuestNetworkDevice {
  readonly forwards: readonly PortForward[];
  readonly forwardHost: string;
  /** The device on a bridge; undefined: a network of its own. */
  readonly tap: TapDevice | undefined;
}

export interface TapDevice {
  readonly name: string;
  /** On which it is open in QEMU already; undefined: QEMU opens it itself. */
  readonly descriptor: string | undefined;
}

function backend({ forwards, forwardHost, tap }: GuestNetworkDevice): object {
  if (tap?.descriptor !== undefined) return { type: "tap", fd: tap.descriptor };
  if (tap) return { type: "tap", ifname: tap.name, script: "no", downscript: "no" };
  const hostfwd = forwards.map(({ protocol, hostPort, guestPort }) => ({
    str: `${protocol}:${forwardHost}:${hostPort}-:${guestPort}`,
  }));
  return hostfwd.length === 0 ? { type: "user" } : { type: "user", hostfwd };
}
