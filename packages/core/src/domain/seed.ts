/**
 * What a guest is told of itself at its first boot, in the form of cloud-init's NoCloud data
 * source. Bytes are kept as base64: records are text.
 */
export interface GuestSeed {
  readonly userDataBase64: string;
  /** Empty = the guest finds its network by itself. */
  readonly networkConfigBase64: string;
}

export const USER_DATA_BYTES_MAX = 16 * 1024;
export const NETWORK_CONFIG_BYTES_MAX = 4 * 1024;

export interface SeedFile {
  readonly name: "meta-data" | "user-data" | "network-config";
  readonly bytes: Uint8Array;
}

export interface SeededGuest {
  readonly guestUid: string;
  readonly guestId: string;
  readonly macAddress?: string;
  /** On a bridge, with its prefix. */
  readonly ipAddress?: string;
}

/** The same for every copy of the guest, so that both ends of a migration have the same. */
export function seedFiles(
  { userDataBase64, networkConfigBase64 }: GuestSeed,
  guest: SeededGuest,
): readonly SeedFile[] {
  const { guestUid, guestId } = guest;
  const metaData = `instance-id: ${guestUid}\nlocal-hostname: ${guestId}\n`;
  const config = bytesOf(networkConfigBase64);
  const network = config.length > 0 ? config : encode(networkConfigOf(guest));
  return [
    { name: "meta-data", bytes: encode(metaData) },
    { name: "user-data", bytes: bytesOf(userDataBase64) },
    ...(network.length > 0 ? [{ name: "network-config", bytes: network } as const] : []),
  ];
}

/** What the user says of the network goes before what the cluster knows of it. */
function networkConfigOf({ macAddress, ipAddress }: SeededGuest): string {
  if (ipAddress === undefined || macAddress === undefined) return "";
  const card = `    match: {macaddress: "${macAddress}"}\n    addresses: ["${ipAddress}"]\n`;
  return `version: 2\nethernets:\n  nic0:\n${card}`;
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function seedBytes({ userDataBase64 }: GuestSeed): number {
  return bytesOf(userDataBase64).length;
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}
