/**
 * How a guest is reached: its addresses, and the ports of its node that lead to it. Addresses and
 * ports that the cluster chooses are unique in the cluster for as long as the guest exists; ports
 * that the user names are unique on a node.
 */

export const PROTOCOLS = ["tcp", "udp"] as const;
export type Protocol = (typeof PROTOCOLS)[number];

export interface PortForward {
  readonly protocol: Protocol;
  /** On the guest's node. */
  readonly hostPort: number;
  readonly guestPort: number;
  /** The cluster chose `hostPort`. */
  readonly isAssigned?: true;
}

export const FORWARDS_MAX = 16;
/** What the cluster chooses from. */
export const ASSIGNED_PORTS = { min: 30_000, max: 32_767 } as const;

/** What admission gave the guest; it keeps it until it is gone. */
export interface GuestNetwork {
  /** Six bytes, lower case, with colons. */
  readonly macAddress: string;
  /** On the bridge, with its prefix, such as `10.77.0.5/16`; undefined elsewhere. */
  readonly ipAddress?: string;
}

/** One of the 2^32 addresses 52:54:..., which are locally administered, of one host. */
export function macAddressOf(random32: number): string {
  const hex = random32.toString(16).padStart(8, "0");
  return `52:54:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}:${hex.slice(6, 8)}`;
}

/** As one word: what may be held once on a node. */
export function portName({
  protocol,
  hostPort,
}: Pick<PortForward, "protocol" | "hostPort">): string {
  return `${protocol}/${hostPort}`;
}

export function forwardText(forward: PortForward): string {
  return `${forward.protocol} port ${forward.hostPort}`;
}

/** What no two guests of the cluster may have, as words. */
export function claimsOf(guest: {
  readonly spec: { readonly forwards?: readonly PortForward[] };
  readonly status: { readonly network?: GuestNetwork };
}): readonly string[] {
  const { network } = guest.status;
  const assigned = (guest.spec.forwards ?? []).filter((each) => each.isAssigned === true);
  const { macAddress, ipAddress } = network ?? {};
  return [
    ...(macAddress === undefined ? [] : [`mac/${macAddress}`]),
    ...(ipAddress === undefined ? [] : [`ip/${ipAddress}`]),
    ...assigned.map(portName),
  ];
}
