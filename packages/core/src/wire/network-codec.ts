/** Port forwards and addresses, on both wires. */
import {
  type PortForward as ProtoForward,
  Protocol as ProtoProtocol,
} from "@innkeeper/proto/innkeeper/v1/guest";
import { invalidField } from "../domain/errors.js";
import { FORWARDS_MAX, type PortForward, type Protocol, portName } from "../domain/network.js";
import { parseEnum } from "./enums.js";
import { parseInteger } from "./numbers.js";

const PROTOCOL_TO_PROTO = {
  tcp: ProtoProtocol.TCP,
  udp: ProtoProtocol.UDP,
} satisfies Record<Protocol, ProtoProtocol>;

const PORT_MAX = 65_535;
const MAC_ADDRESS = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/;
const IP_ADDRESS = /^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-f:]{2,45})$/;

/** @param hostPortMin 0 where the cluster may choose. @throws `invalid`. */
export function parseForwards(
  field: string,
  protos: readonly ProtoForward[],
  hostPortMin: 0 | 1,
): PortForward[] {
  if (protos.length > FORWARDS_MAX)
    throw invalidField(field, protos.length, `at most ${FORWARDS_MAX}`);
  const forwards = protos.map((proto, index) => {
    const at = `${field}[${index}]`;
    const isUnset = proto.protocol === ProtoProtocol.UNSPECIFIED;
    const hostPort = { min: hostPortMin, max: PORT_MAX };
    return {
      protocol: isUnset ? "tcp" : parseEnum(`${at}.protocol`, proto.protocol, PROTOCOL_TO_PROTO),
      hostPort: parseInteger(`${at}.host_port`, proto.hostPort, hostPort),
      guestPort: parseInteger(`${at}.guest_port`, proto.guestPort, { min: 1, max: PORT_MAX }),
    } as const;
  });
  const names = forwards.filter(({ hostPort }) => hostPort > 0).map(portName);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw invalidField(field, twice, "each port of the node once");
  return forwards;
}

export function forwardsToProto(forwards: readonly PortForward[] = []): ProtoForward[] {
  return forwards.map(({ protocol, hostPort, guestPort }) => ({
    protocol: PROTOCOL_TO_PROTO[protocol],
    hostPort,
    guestPort,
  }));
}

/** Empty is allowed. @throws `invalid`. */
export function parseMacAddress(field: string, value: string): string {
  if (value === "" || MAC_ADDRESS.test(value)) return value;
  throw invalidField(field, value, "six bytes, lower-case hexadecimal, with colons");
}

const BRIDGE = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,14}$/;
const HOST_ADDRESS = /^[0-9]{1,3}(\.[0-9]{1,3}){3}\/[0-9]{1,2}$/;

/** Empty is allowed. @throws `invalid`. */
export function parseBridge(field: string, value: string): string {
  if (value === "" || BRIDGE.test(value)) return value;
  throw invalidField(field, value, "1 to 15 of a-z, A-Z, 0-9, '_', '.' and '-'");
}

/** An address with its prefix; empty is allowed. @throws `invalid`. */
export function parseHostAddress(field: string, value: string): string {
  if (value === "" || HOST_ADDRESS.test(value)) return value;
  throw invalidField(field, value, "an IPv4 address with its prefix");
}

/** Empty is allowed. @throws `invalid`. */
export function parseIpAddress(field: string, value: string): string {
  if (value === "" || IP_ADDRESS.test(value)) return value;
  throw invalidField(field, value, "an IP address");
}
