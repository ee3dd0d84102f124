/** Requests about guests, field by field. */
import {
  below,
  COMMAND,
  COMMAND_FIELDS,
  COMMAND_LINES,
  DATA_DISKS,
  DISK_NAMES,
  DISK_SIZES,
  DURATIONS,
  ENUMS,
  ETAGS,
  type Fields,
  FORWARDS,
  GUEST,
  HOLDERS,
  LABELS,
  LIMITS,
  LONG,
  NAMES,
  NEEDED_NAMES,
  NEGATIVE,
  ONE_GUEST,
  PAGE,
  PIDS,
  RATES,
  REQUEST_IDS,
  RESTART_POLICY,
  rows,
  SEED,
} from "./bad-values.js";

const MIGRATION_POLICY: Fields = {
  "migration_policy.downtime_max": [{ seconds: 0 }, { seconds: 61 }, ...DURATIONS],
  "migration_policy.slowdown_percent_max": [-1, 100],
  "migration_policy.timeout": [
    ...[{ seconds: -1 }, { seconds: 0 }, { seconds: 86_401 }, { nanos: 1_000_000_000 }],
  ],
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
    "rules.policy": ENUMS,
    priority: [-1001, 1001],
    disruption_budget: ["x", "1 of app", "1001 of app=web", "-1 of app=web", LONG],
    ...MIGRATION_POLICY,
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
  update_mask: {
    paths: ["labels", "spec.restart_policy", "spec.stop_timeout", "spec.migration_policy"],
  },
};
const PATHS = [["spec.image_id"], [], ["labels", "x"], ["spec"], [LONG]];

const UPDATE_GUEST = rows("GuestService.UpdateGuest", UPDATE, {
  guest: [undefined],
  "guest.id": NEEDED_NAMES,
  "guest.project_id": NAMES,
  "guest.labels": LABELS,
  "guest.etag": ETAGS,
  ...below("guest.spec", { ...RESTART_POLICY, ...MIGRATION_POLICY, stop_timeout: DURATIONS }),
  update_mask: [undefined, ...PATHS.map((paths) => ({ paths }))],
  request_id: REQUEST_IDS,
});

const NAMED_GUEST = { guest_id: "x" };
const VERBS = ["Delete", "Start", "Stop", "Pause", "Resume"].flatMap((verb) =>
  rows(`GuestService.${verb}Guest`, NAMED_GUEST, { ...ONE_GUEST, request_id: REQUEST_IDS }),
);

export const GUESTS = [
  ...CREATE_GUEST,
  ...CREATE_GUESTS,
  ...EXPLAIN_PLACEMENT,
  ...UPDATE_GUEST,
  ...VERBS,
  ...rows("GuestService.ReplayDecision", NAMED_GUEST, ONE_GUEST),
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
      net_in_bytes_per_second_max: RATES,
      net_out_bytes_per_second_max: RATES,
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
  ...rows(
    "GuestService.CloneGuest",
    { ...NAMED_GUEST, clone_id: "other" },
    { ...ONE_GUEST, clone_id: NEEDED_NAMES, snapshot_name: NAMES, request_id: REQUEST_IDS },
  ),
  ...rows("GuestService.ExportGuest", NAMED_GUEST, { ...ONE_GUEST, snapshot_name: NAMES }),
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
