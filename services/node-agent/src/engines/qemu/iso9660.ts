/**
 * A volume in the format of ISO 9660 with Joliet names, as far as a few small files in the root
 * directory need it: what guests of every kind can read, made without any program. The same files
 * give the same bytes: both ends of a migration make it.
 *
 * Sizes and places are in sectors of 2 KiB. After 16 empty ones come the primary description, the
 * Joliet description, the terminator, two tables of directories for each tree in both byte orders,
 * the two root directories, and the files.
 */
const SECTOR_BYTES = 2048;
const SYSTEM_SECTORS = 16;
const PATH_TABLES_AT = 19;
const ROOTS_AT = 23;
const FILES_AT = 25;
const PATH_TABLE_BYTES = 10;
const RECORD_BYTES = 33;
const DIRECTORY = 2;
/** Level 3 of Joliet: UCS-2 names. */
const JOLIET_ESCAPE = "%/E";
const LABEL_LENGTH = 32;

export interface VolumeFile {
  /** Lower case, as guests will see it: at most 30 of a-z, 0-9, '-', '.'. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

interface PlacedFile extends VolumeFile {
  readonly sector: number;
}

/** How names are written in one of the two trees. */
interface Naming {
  readonly isJoliet: boolean;
  readonly rootSector: number;
  readonly pathTableSector: number;
}

const PRIMARY: Naming = { isJoliet: false, rootSector: ROOTS_AT, pathTableSector: PATH_TABLES_AT };
const JOLIET: Naming = {
  isJoliet: true,
  rootSector: ROOTS_AT + 1,
  pathTableSector: PATH_TABLES_AT + 2,
};

/** @param label at most 16 of A-Z, 0-9 and '_' */
export function isoVolume(label: string, files: readonly VolumeFile[]): Buffer {
  const placed = place(files);
  const last = placed.at(-1);
  const sectorCount = last ? last.sector + sectorsOf(last.bytes) : FILES_AT;
  const volume = Buffer.alloc(sectorCount * SECTOR_BYTES);
  const put = (sector: number, bytes: Uint8Array): void => {
    volume.set(bytes, sector * SECTOR_BYTES);
  };
  put(SYSTEM_SECTORS, description(label, sectorCount, PRIMARY));
  put(SYSTEM_SECTORS + 1, description(label, sectorCount, JOLIET));
  put(SYSTEM_SECTORS + 2, Buffer.from("\xffCD001\x01", "latin1"));
  for (const naming of [PRIMARY, JOLIET]) {
    put(naming.pathTableSector, pathTable(naming, "little"));
    put(naming.pathTableSector + 1, pathTable(naming, "big"));
    put(naming.rootSector, rootDirectory(placed, naming));
  }
  for (const { sector, bytes } of placed) put(sector, bytes);
  return volume;
}

function place(files: readonly VolumeFile[]): PlacedFile[] {
  let sector = FILES_AT;
  return [...files]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((file) => {
      const placed = { ...file, sector };
      sector += sectorsOf(file.bytes);
      return placed;
    });
}

function sectorsOf({ length }: Uint8Array): number {
  return Math.ceil(length / SECTOR_BYTES);
}

function description(label: string, sectorCount: number, naming: Naming): Buffer {
  const { isJoliet, rootSector, pathTableSector } = naming;
  const sector = Buffer.alloc(SECTOR_BYTES);
  const blank = isJoliet ? Buffer.from([0, 0x20]) : Buffer.from(" ");
  sector.fill(blank, 8, 8 + 2 * LABEL_LENGTH);
  sector.fill(blank, 190, 813);
  sector[0] = isJoliet ? 2 : 1;
  sector.write("CD001", 1, "latin1");
  sector[6] = 1;
  text(label, isJoliet).copy(sector, 40);
  both32(sector, 80, sectorCount);
  if (isJoliet) sector.write(JOLIET_ESCAPE, 88, "latin1");
  both16(sector, 120, 1);
  both16(sector, 124, 1);
  both16(sector, 128, SECTOR_BYTES);
  both32(sector, 132, PATH_TABLE_BYTES);
  sector.writeUInt32LE(pathTableSector, 140);
  sector.writeUInt32BE(pathTableSector + 1, 148);
  record(Buffer.of(0), { sector: rootSector, sizeBytes: SECTOR_BYTES, flags: DIRECTORY }).copy(
    sector,
    156,
  );
  for (const at of [813, 830, 847, 864]) noTime().copy(sector, at);
  sector[881] = 1;
  return sector;
}

/** The root directory alone, which is its own parent. */
function pathTable({ rootSector }: Naming, order: "little" | "big"): Buffer {
  const table = Buffer.alloc(PATH_TABLE_BYTES);
  table[0] = 1;
  if (order === "little") table.writeUInt32LE(rootSector, 2);
  else table.writeUInt32BE(rootSector, 2);
  if (order === "little") table.writeUInt16LE(1, 6);
  else table.writeUInt16BE(1, 6);
  return table;
}

function rootDirectory(files: readonly PlacedFile[], { isJoliet, rootSector }: Naming): Buffer {
  const root = { sector: rootSector, sizeBytes: SECTOR_BYTES, flags: DIRECTORY };
  const records = files.map(({ name, bytes, sector }) =>
    record(fileName(name, isJoliet), { sector, sizeBytes: bytes.length, flags: 0 }),
  );
  return Buffer.concat([record(Buffer.of(0), root), record(Buffer.of(1), root), ...records]);
}

function fileName(name: string, isJoliet: boolean): Buffer {
  if (isJoliet) return text(name, true);
  const upper = name.toUpperCase().replaceAll("-", "_");
  return Buffer.from(upper.includes(".") ? `${upper};1` : `${upper}.;1`, "latin1");
}

function record(
  name: Buffer,
  { sector, sizeBytes, flags }: { sector: number; sizeBytes: number; flags: number },
): Buffer {
  const length = RECORD_BYTES + name.length;
  const bytes = Buffer.alloc(length + (length % 2));
  bytes[0] = bytes.length;
  both32(bytes, 2, sector);
  both32(bytes, 10, sizeBytes);
  bytes[25] = flags;
  both16(bytes, 28, 1);
  bytes[32] = name.length;
  name.copy(bytes, RECORD_BYTES);
  return bytes;
}

function text(value: string, isJoliet: boolean): Buffer {
  return isJoliet ? Buffer.from(value, "utf16le").swap16() : Buffer.from(value, "latin1");
}

/** Digits and a zone: not set. */
function noTime(): Buffer {
  return Buffer.from(`${"0".repeat(16)}\0`, "latin1");
}

function both16(bytes: Buffer, at: number, value: number): void {
  bytes.writeUInt16LE(value, at);
  bytes.writeUInt16BE(value, at + 2);
}

function both32(bytes: Buffer, at: number, value: number): void {
  bytes.writeUInt32LE(value, at);
  bytes.writeUInt32BE(value, at + 4);
}
