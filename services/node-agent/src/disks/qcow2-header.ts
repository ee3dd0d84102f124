/**
 * The first bytes of a qcow2 file, as far as they decide whether it may be opened. An image comes
 * from a user: its header can name other files of this host, which QEMU would open and show to the
 * guest. Such a file is refused before QEMU sees it. Layout: docs/interop/qcow2.txt of QEMU.
 */

/** As many bytes as are looked at. */
export const QCOW2_HEADER_BYTES = 104;

const MAGIC = 0x5146_49fb;
const BACKING_FILE_OFFSET_AT = 8;
const SIZE_AT = 24;
const CRYPT_METHOD_AT = 32;
/** How many snapshots the file holds: four bytes, big-endian. */
export const QCOW2_SNAPSHOT_COUNT_AT = 60;
const INCOMPATIBLE_FEATURES_AT = 72;
/** Dirty, compression type, extended L2 entries: all within the file itself. */
const HARMLESS_FEATURES = 0b11001n;
const CORRUPT = 0b10n;
const EXTERNAL_DATA = 0b100n;

export type Qcow2Header = { readonly sizeBytes: number } | { readonly problem: string };

/** The size of the disk that the file holds, or why it may not be opened. */
export function readQcow2Header(bytes: Uint8Array): Qcow2Header {
  if (bytes.length < QCOW2_HEADER_BYTES) return { problem: "it is too short for a qcow2 file" };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== MAGIC) return { problem: "it is no qcow2 file" };
  const version = view.getUint32(4);
  if (version !== 2 && version !== 3) return { problem: `qcow2 version ${version} is not known` };
  const problem = problemOf(view, version === 2 ? 0n : view.getBigUint64(INCOMPATIBLE_FEATURES_AT));
  if (problem !== undefined) return { problem };
  const size = view.getBigUint64(SIZE_AT);
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) return { problem: "its size is absurd" };
  return { sizeBytes: Number(size) };
}

function problemOf(view: DataView, features: bigint): string | undefined {
  if (view.getBigUint64(BACKING_FILE_OFFSET_AT) !== 0n) return "it needs another file below it";
  if (view.getUint32(CRYPT_METHOD_AT) !== 0) return "it is encrypted";
  if ((features & EXTERNAL_DATA) !== 0n) return "it keeps its data in another file";
  if ((features & CORRUPT) !== 0n) return "it is marked corrupt";
  if ((features & ~HARMLESS_FEATURES) !== 0n) return "it needs features that are not known";
  return undefined;
}
