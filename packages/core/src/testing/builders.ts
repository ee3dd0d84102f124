/**
 * Records for tests: whole and valid, with what the test states. Nested fields may be stated alone:
 * `aGuest({ memoryMib: 512 })`, `aNode({ capacity: { memoryMib: 4096 } })`.
 */
import { createHash } from "node:crypto";
import type { CopyReport, GuestAssignment } from "../domain/assignment.js";
import { copiesDigest } from "../domain/copies-digest.js";
import type { Guest, Placement } from "../domain/guest.js";
import { canonicalManifest, type Image } from "../domain/image.js";
import { NO_LIMITS } from "../domain/limits.js";
import type { ModeAbility } from "../domain/mode.js";
import { NO_NEEDS } from "../domain/needs.js";
import type { NodeRecord } from "../domain/node.js";
import type { Operation } from "../domain/operation.js";
import { NO_RULES } from "../domain/placement-rules.js";
import type { Project } from "../domain/project.js";
import type { Resources } from "../domain/resources.js";
import type { JournalEntry } from "../ports/agent-journal.js";
import type { NodeReport } from "../ports/controller-client.js";
import type { Transaction } from "../ports/state-store.js";

/** Any part of a record; arrays are stated whole. */
export type Overrides<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [Key in keyof T]?: Overrides<T[Key]> }
    : T;

const AT_MS = 1_767_225_600_000;
const UID = "00000000-0000-4000-8000-000000000001";
const SHA256 = "0123456789abcdef".repeat(4);

/** What every copy here is launched with. */
const LAUNCHED = { vcpuCount: 1, memoryMib: 256 };

const ABILITY: ModeAbility = {
  engine: "sim",
  engineVersion: "1",
  mode: "hybrid",
  acceleration: "none",
  canLiveMigrate: true,
  canPause: true,
  canSetCpu: true,
  canSetMemory: true,
  canAttachDisks: true,
  canGrowDisks: true,
  canSnapshot: true,
  canSnapshotMemory: true,
  startMs: undefined,
};

const PROJECT: Project = {
  id: "default",
  quota: {},
  createdAtMs: AT_MS,
  updatedAtMs: AT_MS,
};

const NODE: NodeRecord = {
  id: "n1",
  address: "127.0.0.1:7100",
  labels: {},
  capacity: { cpuMillis: 8000, memoryMib: 16_384, diskMib: 102_400 },
  reserve: { cpuMillis: 0, memoryMib: 0, diskMib: 0 },
  overcommitPercent: { cpuMillis: 100, memoryMib: 100, diskMib: 100 },
  abilities: [ABILITY, { ...ABILITY, mode: "full" }, { ...ABILITY, mode: "paravirt" }],
  problems: [],
  state: "ready",
  isCordoned: false,
  incarnation: "00000000-0000-4000-8000-0000000000a1",
  joinedAtMs: AT_MS,
  updatedAtMs: AT_MS,
};

const IMAGE: Image = {
  id: "tiny",
  digest: "",
  manifest: {
    kind: "linux",
    architecture: "x86_64",
    commandLine: "console=ttyS0",
    memoryMibMin: 64,
    diskFormat: undefined,
    diskMib: 0,
    command: [],
    blobs: [
      { role: "kernel", sha256: SHA256, sizeBytes: 1000 },
      { role: "initrd", sha256: SHA256.replaceAll("0", "f"), sizeBytes: 2000 },
    ],
  },
  createdAtMs: AT_MS,
};

const GUEST: Guest = {
  uid: UID,
  id: "g1",
  projectId: "default",
  labels: {},
  gangId: undefined,
  generation: 1,
  intent: 1,
  createdAtMs: AT_MS,
  updatedAtMs: AT_MS,
  isDeleting: false,
  operationId: "",
  spec: {
    imageId: IMAGE.id,
    mode: "auto",
    needs: NO_NEEDS,
    rules: NO_RULES,
    resources: { cpuMillis: 1000, memoryMib: 256, diskMib: 0 },
    commandLine: "",
    restartPolicy: { when: "always", attemptsMax: 5, backoffMsMin: 1000, backoffMsMax: 60_000 },
    desired: "running",
    nodeId: "",
    stopTimeoutMs: 30_000,
    startCount: 0,
  },
  status: {
    phase: "PENDING",
    reason: "",
    message: "",
    placement: undefined,
    migration: undefined,
    resize: undefined,
    launchedWith: undefined,
    rejections: [],
    epochLast: 0,
    observedGeneration: 0,
    restartCount: 0,
    startedAtMs: undefined,
    lastExit: undefined,
  },
};

const OPERATION: Operation = {
  id: "00000000-0000-4000-8000-0000000000b1",
  kind: "create",
  projectId: GUEST.projectId,
  guestId: GUEST.id,
  guestUid: UID,
  state: "running",
  error: undefined,
  message: "",
  migration: undefined,
  isCancelRequested: false,
  createdAtMs: AT_MS,
  updatedAtMs: AT_MS,
};

const ASSIGNMENT: GuestAssignment = {
  guestUid: UID,
  guestId: GUEST.id,
  projectId: GUEST.projectId,
  operationId: "",
  epoch: 1,
  intent: 1,
  generation: 1,
  desired: "running",
  engine: "sim",
  mode: "hybrid",
  vcpuCount: 1,
  cpuMillis: 1000,
  memoryMibMax: 256,
  memoryMib: 256,
  limits: NO_LIMITS,
  diskMib: 0,
  dataDisks: [],
  snapshots: [],
  image: IMAGE.manifest,
  commandLine: "",
  restartPolicy: GUEST.spec.restartPolicy,
  startCount: 0,
  stopTimeoutMs: 30_000,
  migrateTo: undefined,
};

const COPY_REPORT: CopyReport = {
  guestUid: UID,
  epoch: 1,
  intent: 1,
  generation: 1,
  state: "running",
  restartCount: 0,
  startedAtMs: undefined,
  lastExit: undefined,
  error: undefined,
  incomingUri: undefined,
  migration: undefined,
  launchedWith: LAUNCHED,
};

/** Launched once, and running since. */
const JOURNAL_ENTRY: JournalEntry = {
  assignment: ASSIGNMENT,
  launchedEpoch: 1,
  launchedWith: LAUNCHED,
  startCount: 0,
  restartCount: 0,
  restartsInARow: 0,
  startedAtMs: AT_MS,
  lastExit: undefined,
  failure: undefined,
  restartAtMs: undefined,
  updatedAtMs: AT_MS,
};

/** What most tests say of a guest, without the path to the field. */
export type GuestShorthand = Partial<Resources> & {
  readonly phase?: Guest["status"]["phase"];
  /** The guest is placed there, with epoch 1. */
  readonly onNode?: string;
};

export function aGuest(overrides: Overrides<Guest> & GuestShorthand = {}): Guest {
  const { cpuMillis, memoryMib, diskMib, phase, onNode, ...fields } = overrides;
  const resources = withoutUndefined({ cpuMillis, memoryMib, diskMib });
  const placed =
    onNode === undefined
      ? withoutUndefined({ phase })
      : {
          phase: phase ?? "RUNNING",
          epochLast: 1,
          launchedWith: LAUNCHED,
          placement: aPlacement({ nodeId: onNode }),
        };
  const guest = merged(GUEST, { spec: { resources }, status: placed });
  return merged(guest, fields);
}

export function aPlacement(overrides: Overrides<Placement> = {}): Placement {
  const chosen = {
    nodeId: overrides.nodeId ?? NODE.id,
    engine: overrides.engine ?? ABILITY.engine,
    mode: overrides.mode ?? ABILITY.mode,
  };
  const decision = { ...chosen, revision: 1, seed: 1, message: "", candidates: [], rejections: [] };
  return merged<Placement>({ ...chosen, epoch: 1, decision }, overrides);
}

export function aNode(overrides: Overrides<NodeRecord> = {}): NodeRecord {
  return merged(NODE, overrides);
}

export function aProject(overrides: Overrides<Project> = {}): Project {
  return merged(PROJECT, overrides);
}

/** The digest follows from the manifest unless it is stated. */
export function anImage(overrides: Overrides<Image> = {}): Image {
  const image = merged(IMAGE, overrides);
  if (image.digest !== "") return image;
  const digest = createHash("sha256").update(canonicalManifest(image.manifest)).digest("hex");
  return { ...image, digest };
}

export function anOperation(overrides: Overrides<Operation> = {}): Operation {
  return merged(OPERATION, overrides);
}

export function anAssignment(overrides: Overrides<GuestAssignment> = {}): GuestAssignment {
  return merged(ASSIGNMENT, overrides);
}

/** A report of a copy that runs under the assignment of {@link anAssignment}. */
export function aCopyReport(overrides: Overrides<CopyReport> = {}): CopyReport {
  return merged(COPY_REPORT, overrides);
}

/** A report in which nothing has changed unless stated; its digest is that of its copies. */
export function aNodeReport(parts: Partial<NodeReport> = {}): NodeReport {
  const copies = parts.copies ?? [];
  return {
    nodeId: "n1",
    incarnation: "0b5f9a9e-6a4e-4c53-9e62-1c1b9d7d6f10",
    sequence: 1,
    isFull: false,
    copies,
    digest: copiesDigest(copies),
    usage: [],
    ...parts,
  };
}

/** A journal entry of a guest that has been launched once. */
export function aJournalEntry(overrides: Overrides<JournalEntry> = {}): JournalEntry {
  return merged(JOURNAL_ENTRY, overrides);
}

/** A transaction with what the test states; everything else is empty. */
export function aTransaction(parts: Partial<Transaction> = {}): Transaction {
  return { checks: [], puts: [], deletes: [], counters: [], ...parts };
}

function merged<T>(base: T, overrides: Overrides<NoInfer<T>>): T {
  if (!isPlain(base) || !isPlain(overrides)) return overrides as T;
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(overrides)) result[key] = merged(result[key], value);
  return result as T;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function withoutUndefined<T extends object>(fields: T): Partial<T> {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Partial<T>;
}
