/** Requests about images, nodes, projects, operations and events, field by field; and the list. */
import { GUESTS } from "./bad-guest-fields.js";
import { REGISTRY } from "./bad-registry-fields.js";
import {
  type BadField,
  below,
  DURATIONS,
  ENUMS,
  ETAGS,
  MANIFEST,
  MANIFEST_FIELDS,
  NAMES,
  NEEDED_NAMES,
  NEGATIVE,
  PAGE,
  REQUEST_IDS,
  rows,
  UUID,
  UUIDS,
} from "./bad-values.js";

const IMPORT = { header: { image_id: "x", manifest: MANIFEST } };
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
  ...rows(
    "NodeService.ReturnGuests",
    { node_id: "x" },
    { node_id: NEEDED_NAMES, request_id: REQUEST_IDS },
  ),
  ...rows("NodeService.DrainNode", { node_id: "x" }, { node_id: NEEDED_NAMES, ...DRAIN }),
  ...rows("NodeService.PlanDrain", {}, { node_id: NEEDED_NAMES }),
];

const LIMITS_OF_MOVES = {
  "limits.moves_max": [-1, 1001],
  "limits.gain_min_basis_points": [-1, 10_001],
  "limits.cool_down": [{ seconds: -1 }, { seconds: 86_401 }, { nanos: 1_000_000_000 }],
};
const CLUSTER = [
  ...rows("ClusterService.GetPlacementQueue", {}, { guests_max: [-1, 1001] }),
  ...rows("ClusterService.PlanRebalance", { limits: {} }, LIMITS_OF_MOVES),
  ...rows(
    "ClusterService.RebalanceCluster",
    { limits: {} },
    { ...LIMITS_OF_MOVES, request_id: REQUEST_IDS },
  ),
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
      "project.placement_policy": ENUMS,
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

/** What a controller refuses of anybody. */
export const CONTROLLER_FIELDS: readonly BadField[] = [
  ...GUESTS,
  ...IMAGES,
  ...NODES,
  ...DRAINS,
  ...CLUSTER,
  ...PROJECTS,
  ...OPERATIONS,
  ...EVENTS,
  ...REGISTRY,
];

/** Fields that take any value, or that a request may not change: shown only. */
export const ANY_VALUE: readonly RegExp[] = [
  /[ .](follow|full|pause|live_migration|set_cpu|set_memory|own_kernel|guest_agent|dry_run)$/,
  /[ .](takes_identity|quick_start|systemd)$/,
  /[ .](read_only|force|gang|forward|limit_network|preemptible)$/,
  /[ .](attach_disks|grow_disks|snapshot|snapshot_memory|memory|disks_only|has_memory|is_new)$/,
  /^RegistryService\.JoinNode problems$/,
  /last_exit\.message$|((change_)?error|trouble)\.(message|metadata)$/,
  /(Create|Update|Explain)[A-Za-z]+ (request\.)?guests?\.(uid|generation|status)/,
  /(Create|Update|Explain)[A-Za-z]+ (request\.)?guests?\.(create|update)_time/,
  /(Create|Update|Explain)[A-Za-z]+ (request\.)?guests?\.(operation_id|gang_id)$/,
  /(CreateGuests?|ExplainPlacement) (request\.)?guests?\.etag$/,
  /UpdateGuest guest\.spec\.needs/,
  /UpdateGuest guest\.spec\.(image_id|mode|rules|priority|resources|command_line|node_id)/,
  /UpdateGuest guest\.spec\.(desired_run_state|limits|data_disks|disruption_budget)/,
  /UpdateGuest guest\.spec\.(forwards|seed|network_kind)/,
  /CreateProject project\.(usage|etag|create_time|update_time)/,
  /(ImportImage data|Console input|seed\.user_data_size)$/,
];
