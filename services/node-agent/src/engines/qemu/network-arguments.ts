/**
 * QEMU's arguments for the network behind the guest's card: a network of its own, in which the host
 * is reached by nobody but through the ports that lead to the guest.
 */
import type { PortForward } from "@innkeeper/core";

/** All numbers and a checked address: nothing in a rule can be taken for anything else. */
export function networkArguments(forwards: readonly PortForward[], forwardHost: string): string[] {
  const hostfwd = forwards.map(({ protocol, hostPort, guestPort }) => ({
    str: `${protocol}:${forwardHost}:${hostPort}-:${guestPort}`,
  }));
  const rules = hostfwd.length === 0 ? {} : { hostfwd };
  return ["-netdev", JSON.stringify({ type: "user", id: "network", ...rules })];
}
