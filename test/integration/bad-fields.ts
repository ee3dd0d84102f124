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

const LONG = "x".repeat(64 * 1024);
const NAMES = ["A", "-x", "x-", "a,b", "a\nb", "../x", '"', "x".repeat(64), LONG, "ü", "a\0"];
const NEEDED_NAMES = ["", ...NAMES];
const REQUEST_IDS = ["1", "6F9619FF-8B86-4011-B42D-00C04FC964FF", "../x", LONG];
const UUIDS = ["", ...REQUEST_IDS];
const HASHES = ["", "abc", "A".repeat(64), `../${"a".repeat(61)}`, LONG];
const ENUMS = [99, -1];
const NEEDED_ENUMS = [0, ...ENUMS];
const NEGATIVE = [-1, -(2 ** 31)];
const TOKENS = ["x", "e30", Buffer.from('["v1","other","a"]').toString("base64url"), LONG];
const LABELS = [
  { "a b": "x" },
  { "": "x" },
  { k: "a b" },
  { k: "x".repeat(64) },
  { [LONG]: "" },
  Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`k${n}`, ""])),
];
const DURATIONS = [{ seconds: -1 }, { seconds: 3601 }, { nanos: 1_000_000_000 }];
const COMMAND_LINES = ["a\nb", "a\0b", "ü", "x".repeat(1025), LONG];
const ETAGS = ["x", "-1", "0", "1.5", LONG];
const ADDRESSES = ["", "x", "host", "host:0", "a b:1", "host:99999999", "/x:1", LONG];

const RATES = [-1, 2 ** 40 + 1, 2 ** 53 - 1];
const PIDS = [-1, 2 ** 22 + 1];
const DISK_NAMES = ["", "A", "a b", "a,b", "../x", "-a", "x".repeat(21), LONG];
const DISK_SIZES = [0, -1, 1_073_741_825, 2 ** 53 - 1];
const DATA_DISKS = {
  "data_disks[0].name": DISK_NAMES,
  "data_disks[0].size_mib": DISK_SIZES,
};
const LIMITS = {
  "limits.disk_iops_max": RATES,
  "limits.disk_bytes_per_second_max": RATES,
  "limits.pids_max": PIDS,
};

type Fields = Readonly<Record<string, readonly unknown[]>>;

function rows(rpc: string, request: object, fields: Fields): readonly BadField[] {
  return Object.entries(fields).map(([field, values]) => ({ rpc, field, values, request }));
}

const UUID = "6f9619ff-8b86-4011-b42d-00c04fc964ff";
const HASH = "a".repeat(64);
const PAGE = { page_size: NEGATIVE, page_token: TOKENS };
const ONE_GUEST = { guest_id: NEEDED_NAMES, project_id: NAMES };
const SPEC = { image_id: "tiny", resources: { cpu_millis: 100, memory_mib: 32 } };
const GUEST = {
  guest: {
    id: "x",
    spec: {
      ...SPEC,
      forwards: [{ protocol: 1, host_port: 1, guest_port: 1 }],
      data_disks: [{ name: "a", size_mib: 1 }],
    },
  },
};
const RESTART_POLICY = {
  "restart_policy.condition": ENUMS,
  "restart_policy.attempts_max": [-1, 1001],
  "restart_policy.backoff_min": [...DURATIONS, { seconds: 31 }],
  "restart_policy.backoff_max": DURATIONS,
};

function below(prefix: string, fields: Fields): Fields {
  const entries = Object.entries(fields).map(([field, values]) => [`${prefix}.${field}`, values]);
  return Object.fromEntries(entries) as Fields;
}

const FORWARD = { protocol: 1, host_port: 1, guest_port: 1 };
const FORWARDS: Fields = {
  forwards: [[FORWARD, FORWARD], new Array(17).fill(FORWARD)],
  "forwards[0].protocol": ENUMS,
  "forwards[0].host_port": [0, -1, 65_536],
  "forwards[0].guest_port": [0, -1, 65_536],
};

const SEED: Fields = {
  "seed.user_data": [Buffer.alloc(16 * 1024 + 1)],
  "seed.network_config": [Buffer.alloc(4 * 1024 + 1)],
};

const NEW_GUEST: Fields = {
  id: NEEDED_NAMES,
  project_id: NAMES,
  labels: LABELS,
  spec: [undefined],
  ...below("spec", {
    image_id: NEEDED_NAMES,
    mode: ENUMS,
    "resources.cpu_millis": [0, -1, 99, 125, 256_050, 2 ** 53 - 1],
    "resources.memory_mib": [0, -1, 7, 16_777_217, 2 ** 53 - 1],
    "resources.disk_mib": [-1, 1_073_741_825, 2 ** 53 - 1],
    ...LIMITS,
    ...DATA_DISKS,
    command_line: COMMAND_LINES,
    ...RESTART_POLICY,
    ...SEED,
    network_kind: ENUMS,
    ...FORWARDS,
    "forwards[0].host_port": [-1, 65_536],
    node_id: NAMES,
    stop_timeout: DURATIONS,
    "needs.start_within": [{ seconds: 0 }, ...DURATIONS],
    "rules.where": [["zone"], ["zone in (a b)"], new Array(17).fill("ssd exists"), [LONG]],
    "rules.tolerations": [[""], ["a b"], new Array(17).fill("gpu"), [LONG]],
    "rules.groups": [["apart app by rack"], new Array(17).fill("near a=b by node"), [LONG]],
    desired_run_state: [2, 3, 99],
  }),
};

const CREATE_GUEST = rows("GuestService.CreateGuest", GUEST, {
  guest: [undefined],
  ...below("guest", NEW_GUEST),
  request_id: REQUEST_IDS,
});

const NEW_GUESTS = { guests: [GUEST.guest] };
const TOO_MANY = [[], new Array(1001).fill({})];
const NEW_GUESTS_FIELDS = {
  guests: TOO_MANY,
  ...below("guests[0]", NEW_GUEST),
  request_id: REQUEST_IDS,
};
const CREATE_GUESTS = [
  ...rows("GuestService.CreateGuests", NEW_GUESTS, NEW_GUESTS_FIELDS),
  ...rows(
    "GuestService.StreamCreateGuests",
    { request: NEW_GUESTS },
    { request: [undefined], ...below("request", NEW_GUESTS_FIELDS) },
  ),
];

const EXPLAIN_PLACEMENT = [
  ...rows("GuestService.ExplainPlacement", GUEST, {
    ...below("guest", NEW_GUEST),
    node_id: NAMES,
  }),
  ...rows("GuestService.ExplainPlacement", { name: { guest_id: "x" } }, below("name", ONE_GUEST)),
];

const UPDATE = {
  guest: { id: "x", spec: {} },
  update_mask: { paths: ["labels", "spec.restart_policy", "spec.stop_timeout"] },
};
const PATHS = [["spec.image_id"], [], ["labels", "x"], ["spec"], [LONG]];

const UPDATE_GUEST = rows("GuestService.UpdateGuest", UPDATE, {
  guest: [undefined],
  "guest.id": NEEDED_NAMES,
  "guest.project_id": NAMES,
  "guest.labels": LABELS,
  "guest.etag": ETAGS,
  ...below("guest.spec", { ...RESTART_POLICY, stop_timeout: DURATIONS }),
  update_mask: [undefined, ...PATHS.map((paths) => ({ paths }))],
  request_id: REQUEST_IDS,
});

const COMMAND = { words: ["x"] };
const COMMAND_FIELDS = {
  command: [undefined],
  "command.words": [[], [""], ["a\0b"], [LONG, LONG], new Array(65).fill("x")],
  "command.input": [Buffer.alloc(64 * 1024 + 1)],
  "command.timeout": [{ seconds: 0 }, ...DURATIONS],
};

const HOLDERS = ["a\nb", "ü", "x".repeat(129), LONG];

const NAMED_GUEST = { guest_id: "x" };
const VERBS = ["Delete", "Start", "Stop", "Pause", "Resume"].flatMap((verb) =>
  rows(`GuestService.${verb}Guest`, NAMED_GUEST, { ...ONE_GUEST, request_id: REQUEST_IDS }),
);

const GUESTS = [
  ...CREATE_GUEST,
  ...CREATE_GUESTS,
  ...EXPLAIN_PLACEMENT,
  ...UPDATE_GUEST,
  ...VERBS,
  ...rows("GuestService.GetGuest", NAMED_GUEST, { ...ONE_GUEST, min_revision: NEGATIVE }),
  ...rows("GuestService.ListGuests", {}, { project_id: NAMES, min_revision: NEGATIVE, ...PAGE }),
  ...rows("GuestService.MigrateGuest", NAMED_GUEST, {
    ...ONE_GUEST,
    target_node_id: NAMES,
    downtime_ms_max: [-1, 60_001],
    request_id: REQUEST_IDS,
  }),
  ...rows(
    "GuestService.ResizeGuest",
    { ...NAMED_GUEST, memory_mib: 64 },
    {
      ...ONE_GUEST,
      cpu_millis: [0, -1, 99, 125, 256_050],
      memory_mib: [0, -1, 7, 16_777_217],
      disk_iops_max: RATES,
      disk_bytes_per_second_max: RATES,
      pids_max: PIDS,
      disk_mib: [-1, 1_073_741_825],
      request_id: REQUEST_IDS,
    },
  ),
  ...rows(
    "GuestService.SetGuestDisk",
    { ...NAMED_GUEST, disk: { name: "a", size_mib: 1 } },
    {
      ...ONE_GUEST,
      disk: [undefined],
      "disk.name": DISK_NAMES,
      "disk.size_mib": DISK_SIZES,
      request_id: REQUEST_IDS,
    },
  ),
  ...rows(
    "GuestService.RemoveGuestDisk",
    { ...NAMED_GUEST, disk_name: "a" },
    { ...ONE_GUEST, disk_name: DISK_NAMES, request_id: REQUEST_IDS },
  ),
  ...["TakeSnapshot", "RemoveSnapshot", "RestoreSnapshot"].flatMap((name) =>
    rows(
      `GuestService.${name}`,
      { ...NAMED_GUEST, snapshot_name: "a" },
      { ...ONE_GUEST, snapshot_name: NEEDED_NAMES, request_id: REQUEST_IDS },
    ),
  ),
  ...rows("GuestService.GetGuestUsage", NAMED_GUEST, ONE_GUEST),
  ...rows("GuestService.ListGuestUsage", {}, { project_id: NAMES, ...PAGE }),
  ...rows("GuestService.WatchGuests", {}, { project_id: NAMES, from_revision: NEGATIVE }),
  ...rows("GuestService.ReadConsole", NAMED_GUEST, ONE_GUEST),
  ...rows(
    "GuestService.ExecGuest",
    { ...NAMED_GUEST, command: COMMAND },
    { ...ONE_GUEST, ...COMMAND_FIELDS },
  ),
  ...rows(
    "GuestService.AttachConsole",
    { opening: NAMED_GUEST },
    {
      opening: [undefined],
      ...below("opening", { ...ONE_GUEST, holder: HOLDERS, history_bytes: [-1, 1_048_577] }),
    },
  ),
];

const MANIFEST = {
  kind: 2,
  architecture: "x86_64",
  memory_mib_min: 16,
  ready_text: "up",
  ready_within: { seconds: 1 },
  blobs: [{ role: 1, sha256: HASH, size_bytes: 4 }],
};
const IMPORT = { header: { image_id: "x", manifest: MANIFEST } };
const MANIFEST_FIELDS = {
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

const IMAGES = [
  ...rows("ImageService.ImportImage", IMPORT, {
    "header.image_id": NEEDED_NAMES,
    "header.manifest": [undefined],
    ...below("header.manifest", MANIFEST_FIELDS),
    "header.request_id": REQUEST_IDS,
  }),
  ...rows("ImageService.GetImage", {}, { image_id: NEEDED_NAMES }),
  ...rows("ImageService.ListImages", {}, PAGE),
  ...rows(
    "ImageService.DeleteImage",
    { image_id: "x" },
    {
      image_id: NEEDED_NAMES,
      request_id: REQUEST_IDS,
    },
  ),
];

const NODES = [
  ...rows("NodeService.GetNode", {}, { node_id: NEEDED_NAMES }),
  ...rows("NodeService.ListNodes", {}, PAGE),
  ...["Cordon", "Uncordon"].flatMap((verb) =>
    rows(
      `NodeService.${verb}Node`,
      { node_id: "x" },
      {
        node_id: NEEDED_NAMES,
        request_id: REQUEST_IDS,
      },
    ),
  ),
];

const DRAIN = {
  deadline: [{ seconds: 0 }, { seconds: -1 }, { seconds: 86_401 }, { nanos: 1_000_000_000 }],
  request_id: REQUEST_IDS,
};
const DRAINS = [
  ...rows("NodeService.DrainNode", { node_id: "x" }, { node_id: NEEDED_NAMES, ...DRAIN }),
  ...rows("NodeService.PlanDrain", {}, { node_id: NEEDED_NAMES }),
];

const QUOTA = { guests: [-1], cpu_millis: [-1], memory_mib: [-1], disk_mib: [-1] };

const PROJECTS = [
  ...rows(
    "ProjectService.CreateProject",
    { project: { id: "x" } },
    {
      project: [undefined],
      "project.id": NEEDED_NAMES,
      "project.parent_id": NAMES,
      ...below("project.quota", QUOTA),
      request_id: REQUEST_IDS,
    },
  ),
  ...rows("ProjectService.GetProject", {}, { project_id: NAMES }),
  ...rows("ProjectService.ListProjects", {}, PAGE),
  ...rows(
    "ProjectService.SetProjectQuota",
    { project_id: "x", quota: {} },
    {
      project_id: NAMES,
      quota: [undefined],
      ...below("quota", QUOTA),
      etag: ETAGS,
      request_id: REQUEST_IDS,
    },
  ),
];

const OPERATION = { operation_id: UUID };

const OPERATIONS = [
  ...["Get", "Watch"].flatMap((verb) =>
    rows(`OperationService.${verb}Operation`, {}, { operation_id: UUIDS }),
  ),
  ...rows("OperationService.ListOperations", {}, { project_id: NAMES, ...PAGE }),
  ...rows("OperationService.WaitOperation", OPERATION, {
    operation_id: UUIDS,
    timeout: DURATIONS,
  }),
  ...rows("OperationService.CancelOperation", OPERATION, {
    operation_id: UUIDS,
    request_id: REQUEST_IDS,
  }),
];

const EVENTS = [
  ...rows("EventService.ListEvents", {}, { after_revision: NEGATIVE, page_size: NEGATIVE }),
  ...rows("EventService.WatchEvents", {}, { after_revision: NEGATIVE }),
];

const AMOUNTS = [-1, 2 ** 53 - 1];
const RESOURCES = { cpu_millis: AMOUNTS, memory_mib: AMOUNTS, disk_mib: AMOUNTS };
const PERCENTS = [99, 10_001];
const FULL = { cpu_millis: 100, memory_mib: 100, disk_mib: 100 };
const ABILITY = { engine: "sim", engine_version: "1", mode: 3, acceleration: "none" };
const JOIN = {
  node_id: "x",
  address: "127.0.0.1:1",
  overcommit_percent: FULL,
  abilities: [ABILITY],
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
const COUNTERS = [-1, 2 ** 53 - 1];
const URIS = ["exec:reboot", "fd:3", "unix:/x", "tcp:host", "tcp:a b:1", "x", `tcp:${LONG}:1`];
const BYTES = [-1, -(2 ** 53 - 1)];

const REGISTRY = [
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
      incoming_uri: URIS,
      "migration.transferred_bytes": BYTES,
      "migration.remaining_bytes": BYTES,
      "migration.total_bytes": BYTES,
      "migration.elapsed_ms": BYTES,
      "migration.engine_downtime_ms": BYTES,
      "launched_with.vcpu_count": [0, -1, 1025],
      "launched_with.memory_mib": [0, -1, 2 ** 53 - 1],
    }),
    ...below("usage[0]", {
      guest_uid: UUIDS,
      cpu_ms: [-1],
      memory_mib: [-1],
      read_at_ms: [-1],
    }),
  }),
  ...rows("RegistryService.ReadBlob", {}, { sha256: HASHES }),
];

const ASSIGNMENT = {
  guest_uid: UUID,
  epoch: 1,
  intent: 1,
  generation: 1,
  desired: "stopped",
  engine: "sim",
  mode: 3,
  vcpu_count: 1,
  cpu_millis: 1000,
  memory_mib_max: 16,
  memory_mib: 16,
  image: MANIFEST,
  migrate_to: { uri: "tcp:127.0.0.1:1", downtime_ms_max: 1 },
  forwards: [FORWARD],
  data_disks: [{ name: "a", size_mib: 1 }],
  snapshots: [{ uid: UUID, memory_mib: 1 }],
  restore: { snapshot_uid: UUID, epoch: 1 },
};
const TEXTS = ["a\nb", LONG];

/** What an agent refuses of its leader. */
export const AGENT_FIELDS: readonly BadField[] = [
  ...rows(
    "AgentService.ApplyAssignments",
    { assignments: [ASSIGNMENT] },
    {
      leader_epoch: [-1],
      leader_address: ADDRESSES.filter((each) => each !== ""),
      ...below("assignments[0]", {
        guest_uid: UUIDS,
        guest_id: TEXTS,
        project_id: TEXTS,
        epoch: COUNTERS,
        intent: COUNTERS,
        generation: [-1],
        desired: ["", "flying"],
        engine: ["", "vmware"],
        mode: [0, 1, 99],
        vcpu_count: [0, -1, 1025],
        cpu_millis: [0, -1, 1_024_001],
        memory_mib_max: [0, -1, 2 ** 53 - 1],
        memory_mib: [0, -1, 2 ** 53 - 1],
        disk_mib: [-1, 2 ** 53 - 1],
        ...LIMITS,
        ...DATA_DISKS,
        "snapshots[0].uid": UUIDS,
        "snapshots[0].memory_mib": [-1, 2 ** 53 - 1],
        "restore.snapshot_uid": UUIDS,
        "restore.epoch": COUNTERS,
        operation_id: REQUEST_IDS,
        image: [undefined],
        ...below("image", MANIFEST_FIELDS),
        command_line: COMMAND_LINES,
        ...SEED,
        ...FORWARDS,
        ip_address: ["x", "10.77.0.5", "10.77.0.5/16 x", LONG],
        mac_address: ["x", "52:54:00:12:34:5", "52:54:00:12:34:5G", LONG],
        ...RESTART_POLICY,
        start_count: [-1],
        stop_timeout_ms: [-1],
        "migrate_to.uri": ["", ...URIS],
        "migrate_to.downtime_ms_max": [-1, 60_001],
      }),
    },
  ),
  ...rows(
    "AgentService.ReadCopyConsole",
    { guest_uid: UUID, bytes_max: 1 },
    {
      guest_uid: UUIDS,
      offset: [-1],
      bytes_max: [0, -1, 1_048_577],
    },
  ),
  ...rows(
    "AgentService.ExecCopy",
    { guest_uid: UUID, command: COMMAND },
    { guest_uid: UUIDS, ...COMMAND_FIELDS },
  ),
  ...rows(
    "AgentService.WriteCopyConsole",
    { opening: { guest_uid: UUID, holder: "x" } },
    {
      opening: [undefined],
      ...below("opening", { guest_uid: UUIDS, holder: ["", ...HOLDERS] }),
    },
  ),
];

/** What a controller refuses of anybody. */
export const CONTROLLER_FIELDS: readonly BadField[] = [
  ...GUESTS,
  ...IMAGES,
  ...NODES,
  ...DRAINS,
  ...PROJECTS,
  ...OPERATIONS,
  ...EVENTS,
  ...REGISTRY,
];

/** Fields that take any value, or that a request may not change: shown only. */
export const ANY_VALUE: readonly RegExp[] = [
  /[ .](follow|full|pause|live_migration|set_cpu|set_memory|own_kernel|guest_agent)$/,
  /[ .](read_only|force|gang|forward)$/,
  /[ .](attach_disks|grow_disks|snapshot|snapshot_memory|memory|disks_only|has_memory|is_new)$/,
  /^RegistryService\.JoinNode problems$/,
  /last_exit\.message$|(change_)?error\.(message|metadata)$/,
  /(Create|Update|Explain)[A-Za-z]+ (request\.)?guests?\.(uid|generation|status)/,
  /(Create|Update|Explain)[A-Za-z]+ (request\.)?guests?\.(create|update)_time/,
  /(Create|Update|Explain)[A-Za-z]+ (request\.)?guests?\.(operation_id|gang_id)$/,
  /(CreateGuests?|ExplainPlacement) (request\.)?guests?\.etag$/,
  /UpdateGuest guest\.spec\.needs/,
  /UpdateGuest guest\.spec\.(image_id|mode|rules|resources|command_line|node_id)/,
  /UpdateGuest guest\.spec\.(desired_run_state|limits|data_disks)/,
  /UpdateGuest guest\.spec\.(forwards|seed|network_kind)/,
  /CreateProject project\.(usage|etag|create_time|update_time)/,
  /(ImportImage data|Console input|seed\.user_data_size)$/,
];
