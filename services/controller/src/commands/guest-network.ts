/**
 * What a guest gets of the network at admission, and what it holds of it. Each address and each
 * chosen port is claimed by a counter that may be 1: two guests that were given the same in a race
 * cannot both be committed, and the later one is given another.
 */
import {
  ASSIGNED_PORTS,
  type CounterChange,
  claimCounter,
  claimsOf,
  freeAddress,
  type Guest,
  type GuestNetwork,
  type GuestSpec,
  type IdSource,
  invalidField,
  macAddressOf,
  type PortForward,
  parseSubnet,
  placementsOf,
  portCounter,
  portName,
} from "@innkeeper/core";
import type { CommandContext } from "./command-context.js";

const FIELD = "guest.spec.forwards";
export const BRIDGE_SUBNET_DEFAULT = "10.77.0.0/16";

/** The spec with a port for each forward that names none. @throws `invalid`. */
export function withPorts(ids: IdSource, spec: GuestSpec): GuestSpec {
  const { forwards = [] } = spec;
  refuseForwardsOnBridge(spec);
  if (forwards.length === 0) return spec;
  const taken = new Set(forwards.filter(({ hostPort }) => hostPort !== 0).map(portName));
  return { ...spec, forwards: forwards.map((each) => withPort(ids, each, taken)) };
}

function refuseForwardsOnBridge(spec: GuestSpec): void {
  if (spec.isBridged !== true) return;
  if ((spec.forwards ?? []).length === 0) return;
  const allowed = "none on a bridge, where the guest is reached by an address of its own";
  throw invalidField(FIELD, `${spec.forwards?.length ?? 0} forwards`, allowed);
}

function withPort(ids: IdSource, forward: PortForward, taken: Set<string>): PortForward {
  if (forward.hostPort !== 0) return forward;
  const { min, max } = ASSIGNED_PORTS;
  for (;;) {
    const hostPort = min + (ids.random32() % (max - min + 1));
    const assigned = { ...forward, hostPort, isAssigned: true } as const;
    // At most 16 of some thousands are taken: this ends.
    if (taken.has(portName(assigned))) continue;
    taken.add(portName(assigned));
    return assigned;
  }
}

/** @throws `capacity` when the bridge has no address left. */
export function newNetwork(context: CommandContext, { isBridged }: GuestSpec): GuestNetwork {
  const { ids, mirror, bridgeSubnet } = context;
  const macAddress = macAddressOf(ids.random32());
  if (isBridged !== true) return { macAddress };
  const taken = new Set(mirror.guests().map(({ status }) => status.network?.ipAddress));
  const subnet = parseSubnet("INN_BRIDGE_SUBNET", bridgeSubnet ?? BRIDGE_SUBNET_DEFAULT);
  const ipAddress = freeAddress(subnet, (address) => taken.has(address), ids.random32());
  return { macAddress, ipAddress };
}

export function claimCounters(guest: Guest): CounterChange[] {
  return claimsOf(guest).map((claim) => ({ key: claimCounter(claim), delta: 1, max: 1 }));
}

/** What a guest that is placed there takes of the node. */
export function portCounters(spec: GuestSpec, nodeId: string): CounterChange[] {
  const ports = (spec.forwards ?? []).map(portName);
  return ports.map((port) => ({ key: portCounter(nodeId, port), delta: 1, max: 1 }));
}

/** What the guest holds no more after a change; undefined = it is gone. */
export function releasedNetwork(before: Guest, after: Guest | undefined): CounterChange[] {
  const kept = new Set(after ? heldCounters(after) : []);
  const dropped = heldCounters(before).filter((key) => !kept.has(key));
  return dropped.map((key) => ({ key, delta: -1, max: undefined }));
}

function heldCounters(guest: Guest): string[] {
  const ports = (guest.spec.forwards ?? []).map(portName);
  const places = placementsOf(guest);
  return [
    ...claimsOf(guest).map(claimCounter),
    ...places.flatMap(({ nodeId }) => ports.map((port) => portCounter(nodeId, port))),
  ];
}
