/**
 * For every field of every request: values that are refused whatever the state. Each row is a valid
 * request, one field of it, and bad values for that field.
 */

export interface BadField {
  /** `Service.Method`. */
  readonly rpc: string;
  /** Path of the field, as messages name it. */
  readonly field: string;
  readonly values: readonly unknown[];
  /** A request in which only this field will be bad. */
  readonly request: object;
}

export const LONG = "x".repeat(64 * 1024);
export const NAMES = [
  "A",
  "-x",
  "x-",
  "a,b",
  "a\nb",
  "../x",
  '"',
  "x".repeat(64),
  LONG,
  "ü",
  "a\0",
];
export const NEEDED_NAMES = ["", ...NAMES];
export const REQUEST_IDS = ["1", "6F9619FF-8B86-4011-B42D-00C04FC964FF", "../x", LONG];
export const UUIDS = ["", ...REQUEST_IDS];
export const HASHES = ["", "abc", "A".repeat(64), `../${"a".repeat(61)}`, LONG];
export const ENUMS = [99, -1];
export const NEEDED_ENUMS = [0, ...ENUMS];
export const NEGATIVE = [-1, -(2 ** 31)];
export const TOKENS = ["x", "e30", Buffer.from('["v1","other","a"]').toString("base64url"), LONG];
export const LABELS = [
  { "a b": "x" },
  { "": "x" },
  { k: "a b" },
  { k: "x".repeat(64) },
  { [LONG]: "" },
  Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`k${n}`, ""])),
];
export const DURATIONS = [{ seconds: -1 }, { seconds: 3601 }, { nanos: 1_000_000_000 }];
export const COMMAND_LINES = ["a\nb", "a\0b", "ü", "x".repeat(1025), LONG];
export const ETAGS = ["x", "-1", "0", "1.5", LONG];
export const ADDRESSES = ["", "x", "host", "host:0", "a b:1", "host:99999999", "/x:1", LONG];

export const RATES = [-1, 2 ** 40 + 1, 2 ** 53 - 1];
export const PIDS = [-1, 2 ** 22 + 1];
export const DISK_NAMES = ["", "A", "a b", "a,b", "../x", "-a", "x".repeat(21), LONG];
export const DISK_SIZES = [0, -1, 1_073_741_825, 2 ** 53 - 1];
export const DATA_DISKS = {
  "data_disks[0].name": DISK_NAMES,
  "data_disks[0].size_mib": DISK_SIZES,
};
export const LIMITS = {
  "limits.disk_iops_max": RATES,
  "limits.disk_bytes_per_second_max": RATES,
  "limits.pids_max": PIDS,
  "limits.net_in_bytes_per_second_max": RATES,
  "limits.net_out_bytes_per_second_max": RATES,
};

export type Fields = Readonly<Record<string, readonly unknown[]>>;

export function rows(rpc: string, request: object, fields: Fields): readonly BadField[] {
  return Object.entries(fields).map(([field, values]) => ({ rpc, field, values, request }));
}

export const UUID = "6f9619ff-8b86-4011-b42d-00c04fc964ff";
export const HASH = "a".repeat(64);
export const PAGE = { page_size: NEGATIVE, page_token: TOKENS };
export const ONE_GUEST = { guest_id: NEEDED_NAMES, project_id: NAMES };
export const SPEC = { image_id: "tiny", resources: { cpu_millis: 100, memory_mib: 32 } };
export const GUEST = {
  guest: {
    id: "x",
    spec: {
      ...SPEC,
      forwards: [{ protocol: 1, host_port: 1, guest_port: 1 }],
      data_disks: [{ name: "a", size_mib: 1 }],
    },
  },
};
export const RESTART_POLICY = {
  "restart_policy.condition": ENUMS,
  "restart_policy.attempts_max": [-1, 1001],
  "restart_policy.backoff_min": [...DURATIONS, { seconds: 31 }],
  "restart_policy.backoff_max": DURATIONS,
};

export function below(prefix: string, fields: Fields): Fields {
  const entries = Object.entries(fields).map(([field, values]) => [`${prefix}.${field}`, values]);
  return Object.fromEntries(entries) as Fields;
}

export const FORWARD = { protocol: 1, host_port: 1, guest_port: 1 };
export const FORWARDS: Fields = {
  forwards: [[FORWARD, FORWARD], new Array(17).fill(FORWARD)],
  "forwards[0].protocol": ENUMS,
  "forwards[0].host_port": [0, -1, 65_536],
  "forwards[0].guest_port": [0, -1, 65_536],
};

export const SEED: Fields = {
  "seed.user_data": [Buffer.alloc(16 * 1024 + 1)],
  "seed.network_config": [Buffer.alloc(4 * 1024 + 1)],
};

export const COMMAND = { words: ["x"] };
export const COMMAND_FIELDS = {
  command: [undefined],
  "command.words": [[], [""], ["a\0b"], [LONG, LONG], new Array(65).fill("x")],
  "command.input": [Buffer.alloc(64 * 1024 + 1)],
  "command.timeout": [{ seconds: 0 }, ...DURATIONS],
};

export const HOLDERS = ["a\nb", "ü", "x".repeat(129), LONG];

export const MANIFEST = {
  kind: 2,
  architecture: "x86_64",
  memory_mib_min: 16,
  ready_text: "up",
  ready_within: { seconds: 1 },
  blobs: [{ role: 1, sha256: HASH, size_bytes: 4 }],
};
export const MANIFEST_FIELDS = {
  kind: NEEDED_ENUMS,
  architecture: ["", "arm64", LONG],
  command_line: COMMAND_LINES,
  ready_text: ["", "a\nb", "x".repeat(129), LONG],
  ready_within: [undefined, { seconds: 0 }, ...DURATIONS],
  memory_mib_min: [0, -1, 2 ** 53 - 1],
  disk_format: [1, 2, ...ENUMS],
  disk_mib: [1, -1],
  command: [["/sbin/init"]],
  blobs: [[], [...MANIFEST.blobs, ...MANIFEST.blobs]],
  "blobs[0].role": NEEDED_ENUMS,
  "blobs[0].sha256": HASHES,
  "blobs[0].size_bytes": [0, -1, 2 ** 53 - 1],
};
export const COUNTERS = [-1, 2 ** 53 - 1];
export const URIS = [
  "exec:reboot",
  "fd:3",
  "unix:/x",
  "tcp:host",
  "tcp:a b:1",
  "x",
  `tcp:${LONG}:1`,
];
