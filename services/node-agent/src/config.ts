/** The agent's settings, with their defaults and reasons. */
import { invalidField } from "@innkeeper/core";
import {
  LOG_LEVELS,
  loadSettings,
  NATS_SETTINGS,
  readSettingsFile,
  type Settings,
} from "@innkeeper/core/platform";

/** User ids of Linux have 32 bits, and the last one means none. */
const ID_END = 2 ** 32 - 1;
const RANGE_IDS = 65_536;
const AMOUNT = { min: 0, max: 2 ** 40 } as const;
const ADDRESS = { pattern: /^[^\s/]+:[0-9]{1,5}$/, allowed: "host:port" } as const;

export const AGENT_SETTINGS = {
  nodeId: {
    type: "text",
    env: "INN_NODE_ID",
    default: "node-1",
    pattern: /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    allowed: "1 to 63 of a-z, 0-9 and '-'",
    doc: "Name of this node; must differ between nodes.",
  },
  nodeLabels: {
    type: "text",
    env: "INN_NODE_LABELS",
    default: "",
    pattern: /^[^\s,=]+(=[^\s,=]*)?(,[^\s,=]+(=[^\s,=]*)?)*$/,
    allowed: "KEY=VALUE, several with commas",
    doc: "Labels of this node; taint/NAME keeps guests away that do not tolerate NAME.",
  },
  controller: {
    type: "text",
    env: "INN_CONTROLLER",
    default: "127.0.0.1:7400",
    pattern: /^[^\s/,]+:[0-9]{1,5}(,[^\s/,]+:[0-9]{1,5})*$/,
    allowed: "host:port, several with commas",
    doc: "Addresses of controllers; whichever answers is used.",
  },
  listen: {
    type: "text",
    env: "INN_LISTEN",
    default: "127.0.0.1:7410",
    ...ADDRESS,
    doc: "Where the leader reaches this agent; port 0 = any. There is no authentication yet.",
  },
  advertise: {
    type: "text",
    env: "INN_ADVERTISE",
    default: "",
    ...ADDRESS,
    doc: "Address where controllers and other agents reach this node; empty = where it listens.",
  },
  bridge: {
    type: "text",
    env: "INN_BRIDGE",
    default: "",
    pattern: /^([a-zA-Z0-9][a-zA-Z0-9_.-]{0,14})?$/,
    allowed: "a name of at most 15 characters",
    doc: "A bridge of this host that guests may be on; empty = none. Needs root.",
  },
  forwardHost: {
    type: "text",
    env: "INN_FORWARD_HOST",
    default: "127.0.0.1",
    pattern: /^[0-9]{1,3}(\.[0-9]{1,3}){3}$/,
    allowed: "an IPv4 address of this host; 0.0.0.0 = all",
    doc: "Where ports of this node lead to its guests; must differ between nodes of one host.",
  },
  dataDirectory: {
    type: "text",
    env: "INN_DATA",
    default: ".innkeeper-agent",
    allowed: "a path",
    doc: "Directory of journal, image blobs and guests.",
  },
  engines: {
    type: "text",
    env: "INN_ENGINES",
    default: "qemu",
    pattern: /^(qemu|container|sim)(,(qemu|container|sim))*$/,
    allowed: "qemu, container, sim, several with commas",
    doc: "Engines to offer.",
  },
  probeKernel: {
    type: "text",
    env: "INN_PROBE_KERNEL",
    default: "",
    allowed: "a path",
    doc: "The tiny guest that proves acceleration; empty = the one built by set-up.",
  },
  guestIdFirst: {
    type: "integer",
    env: "INN_GUEST_ID_FIRST",
    default: 2_000_000_000,
    min: 65_536,
    max: 2 ** 32 - 1 - 2 * 65_536,
    doc: "First of the host's user ids that guests get; nobody else may have them. Needs root.",
  },
  guestIdRanges: {
    type: "integer",
    env: "INN_GUEST_ID_RANGES",
    default: 2_048,
    min: 2,
    max: 65_534,
    doc: "How many ranges of 65536 user ids there are; each guest has one, images share one.",
  },
  containerDiskMib: {
    type: "integer",
    env: "INN_CONTAINER_DISK_MIB",
    default: 1_024,
    min: 16,
    max: 2 ** 24,
    doc: "What a container may write that does not say how much, in MiB; it is thin.",
  },
  cpuMillis: {
    type: "integer",
    env: "INN_CPU_MILLIS",
    default: 0,
    ...AMOUNT,
    doc: "CPU to offer in thousandths; 0 = all of the host.",
  },
  memoryMib: {
    type: "integer",
    env: "INN_MEMORY_MIB",
    default: 0,
    ...AMOUNT,
    doc: "Memory to offer in MiB; 0 = all of the host.",
  },
  diskMib: {
    type: "integer",
    env: "INN_DISK_MIB",
    default: 0,
    ...AMOUNT,
    doc: "Disk to offer in MiB; 0 = what is free in the data directory.",
  },
  imageCacheMib: {
    type: "integer",
    env: "INN_IMAGE_CACHE_MIB",
    default: 20_480,
    ...AMOUNT,
    doc: "Images kept in MiB; beyond it those go first that no guest needs, longest unused first.",
  },
  reserveMemoryMib: {
    type: "integer",
    env: "INN_RESERVE_MEMORY_MIB",
    default: 512,
    ...AMOUNT,
    doc: "Memory kept for the host itself in MiB.",
  },
  overcommitCpuPercent: {
    type: "integer",
    env: "INN_OVERCOMMIT_CPU_PERCENT",
    default: 400,
    min: 100,
    max: 10_000,
    doc: "CPU that may be promised for each 100 there.",
  },
  templatesMax: {
    type: "integer",
    env: "INN_TEMPLATES_MAX",
    default: 4,
    min: 0,
    max: 64,
    doc: "Templates kept for guests that ask for a quick start; 0 = none.",
  },
  templatesMib: {
    type: "integer",
    env: "INN_TEMPLATES_MIB",
    default: 4096,
    ...AMOUNT,
    doc: "Disk that templates may take together, in MiB.",
  },
  heartbeatMs: {
    type: "integer",
    env: "INN_HEARTBEAT_MS",
    default: 2_000,
    min: 100,
    max: 60_000,
    doc: "Pause between heartbeats, in milliseconds.",
  },
  retryMs: {
    type: "integer",
    env: "INN_RETRY_MS",
    default: 500,
    min: 10,
    max: 60_000,
    doc: "Pause before joining or reporting again after a failure, in milliseconds.",
  },
  logLevel: {
    type: "choice",
    env: "INN_LOG_LEVEL",
    default: "info",
    choices: LOG_LEVELS,
    doc: "Lowest level that is logged.",
  },
  ...NATS_SETTINGS,
} as const;

export type AgentSettings = Settings<typeof AGENT_SETTINGS>;

/** @throws `invalid` with every problem at once. */
export function loadAgentSettings(
  env: Readonly<Record<string, string | undefined>>,
): AgentSettings {
  const file = env["INN_CONFIG"] ? readSettingsFile(env["INN_CONFIG"]) : {};
  const settings = loadSettings(AGENT_SETTINGS, env, file);
  const { guestIdFirst, guestIdRanges } = settings;
  const rangesMax = Math.floor((ID_END - guestIdFirst) / RANGE_IDS);
  if (guestIdRanges > rangesMax) {
    const allowed = `at most ${rangesMax}, for ids begin at ${guestIdFirst} and end at ${ID_END}`;
    throw invalidField("INN_GUEST_ID_RANGES", guestIdRanges, allowed);
  }
  return settings;
}
