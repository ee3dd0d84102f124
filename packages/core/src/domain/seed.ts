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

/** The same for every copy of the guest, so that both ends of a migration have the same. */
export function seedFiles(
  { userDataBase64, networkConfigBase64 }: GuestSeed,
  { guestUid, guestId }: { readonly guestUid: string; readonly guestId: string },
): readonly SeedFile[] {
  const metaData = `instance-id: ${guestUid}\nlocal-hostname: ${guestId}\n`;
  const network = { name: "network-config", bytes: bytesOf(networkConfigBase64) } as const;
  return [
    { name: "meta-data", bytes: new TextEncoder().encode(metaData) },
    { name: "user-data", bytes: bytesOf(userDataBase64) },
    ...(network.bytes.length > 0 ? [network] : []),
  ];
}

export function seedBytes({ userDataBase64 }: GuestSeed): number {
  return bytesOf(userDataBase64).length;
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}
