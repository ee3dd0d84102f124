/** What agents tell, field by field. */
import {
  ADDRESSES,
  below,
  COUNTERS,
  HASH,
  HASHES,
  LABELS,
  LONG,
  NEEDED_NAMES,
  rows,
  URIS,
  UUID,
  UUIDS,
} from "./bad-values.js";

const AMOUNTS = [-1, 2 ** 53 - 1];
const RESOURCES = { cpu_millis: AMOUNTS, memory_mib: AMOUNTS, disk_mib: AMOUNTS };
const PERCENTS = [99, 10_001];
const FULL = { cpu_millis: 100, memory_mib: 100, disk_mib: 100 };
const ABILITY = { engine: "sim", engine_version: "1", mode: 3, acceleration: "none" };
const DATA_DISK = { name: "a", size_mib: 1 };
const TEMPLATE = {
  engine: "qemu",
  mode: 3,
  image_digest: "0".repeat(64),
  vcpu_count: 1,
  memory_mib: 128,
  data_disks: [DATA_DISK],
  start_ms: 100,
};
const JOIN = {
  node_id: "x",
  address: "127.0.0.1:1",
  overcommit_percent: FULL,
  abilities: [ABILITY],
  templates: [TEMPLATE],
  incarnation: UUID,
};
const ERROR = { kind: "invalid", reason: "X" };
const SIZE = { vcpu_count: 1, memory_mib: 16 };
const COPY = {
  guest_uid: UUID,
  epoch: 1,
  intent: 1,
  generation: 1,
  state: "running",
  error: ERROR,
  change_error: { ...ERROR },
  trouble: { ...ERROR },
  cloned_percent: 45,
  launched_with: SIZE,
};
const REPORT = {
  node_id: "x",
  incarnation: UUID,
  sequence: 1,
  digest: "0123456789abcdef",
  copies: [COPY],
  usage: [{ guest_uid: UUID }],
};
const BYTES = [-1, -(2 ** 53 - 1)];

export const REGISTRY = [
  ...rows("RegistryService.JoinNode", JOIN, {
    node_id: NEEDED_NAMES,
    address: ADDRESSES,
    labels: LABELS,
    ...below("capacity", RESOURCES),
    ...below("reserve", RESOURCES),
    ...below("overcommit_percent", {
      cpu_millis: PERCENTS,
      memory_mib: PERCENTS,
      disk_mib: PERCENTS,
    }),
    abilities: [Array.from({ length: 65 }, () => ABILITY)],
    "abilities[0].engine": ["", "vmware"],
    "abilities[0].engine_version": ["a\nb", "x".repeat(65)],
    "abilities[0].mode": [0, 1, 99],
    "abilities[0].acceleration": ["", "warp"],
    "abilities[0].start_ms": [-1, 3_600_001],
    templates: [Array.from({ length: 65 }, () => TEMPLATE)],
    "templates[0].engine": ["", "vmware"],
    "templates[0].mode": [0, 1, 99],
    "templates[0].image_digest": ["", "abc", "G".repeat(64)],
    "templates[0].vcpu_count": [0, -1, 1025],
    "templates[0].memory_mib": [0, -1, 2 ** 53 - 1],
    "templates[0].disk_mib": [-1, 2 ** 53 - 1],
    "templates[0].data_disks": [Array.from({ length: 3 }, () => DATA_DISK)],
    "templates[0].data_disks[0].name": ["", "A", "x".repeat(21)],
    "templates[0].data_disks[0].size_mib": [0, -1, 2 ** 53 - 1],
    "templates[0].command_line": ["a\nb", "x".repeat(1025)],
    "templates[0].start_ms": [0, -1, 3_600_001],
    incarnation: UUIDS,
    bridge: ["-x", "a b", "../x", "x".repeat(16), LONG],
    forward_host: ["x", "1.2.3", "1.2.3.4,x", LONG],
  }),
  ...rows("RegistryService.ReportNode", REPORT, {
    node_id: NEEDED_NAMES,
    incarnation: UUIDS,
    sequence: [0, -1],
    digest: ["", "0123456789abcde", "0123456789ABCDEF", "0123456789abcdefg"],
    ...below("copies[0]", {
      guest_uid: UUIDS,
      epoch: COUNTERS,
      intent: COUNTERS,
      generation: [-1],
      state: ["", "flying"],
      restart_count: [-1],
      started_at_ms: [-1, 2 ** 53 - 1],
      "last_exit.reason": ["", "boredom"],
      "error.kind": ["", "odd"],
      "change_error.kind": ["", "odd"],
      "change_error.reason": ["", "not upper", LONG],
      "error.reason": ["", "not upper", LONG],
      cloned_percent: [-1, 101],
      "trouble.kind": ["", "odd"],
      "trouble.reason": ["", "not upper", LONG],
      incoming_uri: URIS,
      "migration.transferred_bytes": BYTES,
      "migration.remaining_bytes": BYTES,
      "migration.total_bytes": BYTES,
      "migration.elapsed_ms": BYTES,
      "migration.engine_downtime_ms": BYTES,
      "migration.bytes_per_second": BYTES,
      "migration.dirty_bytes_per_second": BYTES,
      "migration.rounds": BYTES,
      "migration.downtime_limit_ms": BYTES,
      "migration.slowdown_percent": [-1],
      "launched_with.vcpu_count": [0, -1, 1025],
      "launched_with.memory_mib": [0, -1, 2 ** 53 - 1],
    }),
    ...below("usage[0]", {
      dirty_bytes_per_second: BYTES,
      guest_uid: UUIDS,
      cpu_ms: [-1],
      memory_mib: [-1],
      read_at_ms: [-1],
    }),
  }),
  ...rows("RegistryService.ReadBlob", { sha256: HASH }, { sha256: HASHES, offset: [-1] }),
  ...rows(
    "RegistryService.FindBlob",
    { sha256: HASH, node_id: "x" },
    { sha256: HASHES, node_id: NEEDED_NAMES },
  ),
];
