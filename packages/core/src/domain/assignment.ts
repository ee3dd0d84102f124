/**
 * What the leader wants of one guest on one node (assignment), and what the agent says of it (copy
 * report). Assignments are declarative: applying one twice is the same as once, and an older one
 * never undoes a newer one.
 */
import type { CopyExit, LaunchSize, MigrationProgress } from "./copy.js";
import type { DataDisk } from "./disk.js";
import type { ErrorDetail } from "./errors.js";
import type { RestartPolicy } from "./guest.js";
import type { ImageManifest } from "./image.js";
import type { GuestLimits } from "./limits.js";
import type { EngineName, Mode } from "./mode.js";
import type { PortForward } from "./network.js";
import type { GuestSeed } from "./seed.js";
import type { CloneOf, Restore, WantedSnapshot } from "./snapshot.js";

/**
 * `incoming`: receive a migration. `sending`: migrate to `migrateTo`. `absent`: gone, with
 * everything that belonged to it.
 */
export const ASSIGNED_STATES = [
  "running",
  "paused",
  "stopped",
  "incoming",
  "sending",
  "absent",
] as const;
export type AssignedState = (typeof ASSIGNED_STATES)[number];

export interface GuestAssignment {
  readonly guestUid: string;
  /** For logs and messages only. */
  readonly guestId: string;
  readonly projectId: string;
  /** The operation under way, for logs only; empty when there is none. */
  readonly operationId: string;
  readonly epoch: number;
  /** `Guest.intent` this follows from; agents ignore lower ones. */
  readonly intent: number;
  readonly generation: number;
  readonly desired: AssignedState;
  readonly engine: EngineName;
  readonly mode: Mode;
  /** vCPUs that a launch gives it; a running copy keeps what it has. */
  readonly vcpuCount: number;
  /** Share of the host's CPUs that it may use now. */
  readonly cpuMillis: number;
  /** Memory that a launch gives it. More than `memoryMib` only for a copy that is received. */
  readonly memoryMibMax: number;
  /** Undefined = none, as in all journals of old. */
  readonly forwards?: readonly PortForward[];
  readonly seed?: GuestSeed;
  /** It may begin from a template; absent = it boots. */
  readonly quickStart?: true;
  /** On the bridge: its address there. Undefined: in a network of its own. */
  readonly ipAddress?: string;
  /** Undefined: it follows from the uid of the guest. */
  readonly macAddress?: string;
  /** Memory that it may use now. */
  readonly memoryMib: number;
  /** What it may do in each second; absent = no limits. */
  readonly limits?: GuestLimits;
  /** Size of its first disk, 0 for none. */
  readonly diskMib: number;
  /** Its other disks; absent = none. */
  readonly dataDisks?: readonly DataDisk[];
  /** What snapshots it has; absent = none. */
  readonly snapshots?: readonly WantedSnapshot[];
  /** What its copy of this epoch begins as; absent = as its disks are. */
  readonly restore?: Restore;
  /** What its missing disks begin as; absent = as its image, or blank. */
  readonly cloneOf?: CloneOf;
  readonly image: ImageManifest;
  /** The guest's own part of the kernel command line. */
  readonly commandLine: string;
  readonly restartPolicy: RestartPolicy;
  readonly startCount: number;
  readonly stopTimeoutMs: number;
  readonly migrateTo: MigrateTo | undefined;
}

export interface MigrateTo {
  /** Address given by the target. */
  readonly uri: string;
  readonly downtimeMsMax: number;
  /** Absent in journals of old: the default. */
  readonly slowdownPercentMax?: number;
}

/**
 * `resizing`: runs, and its resources are being changed.
 * `taken`: the newest assignment is journaled, the agent has not looked at the copy under it yet.
 */
export const COPY_STATES = [
  "taken",
  "starting",
  "running",
  "paused",
  "stopping",
  "stopped",
  "backing-off",
  "failed",
  "incoming",
  "received",
  "sending",
  "sent",
  "absent",
  "resizing",
] as const;
export type CopyState = (typeof COPY_STATES)[number];

export interface CopyReport {
  readonly guestUid: string;
  readonly epoch: number;
  /** Intent of the newest assignment the agent has taken. */
  readonly intent: number;
  readonly generation: number;
  readonly state: CopyState;
  readonly restartCount: number;
  readonly startedAtMs: number | undefined;
  readonly lastExit: CopyExit | undefined;
  /** Why it is `failed`, or why its last migration or change of resources failed. */
  readonly error: ErrorDetail | undefined;
  /** Why its resources, disks or snapshots are not as assigned; absent = they are, or will be. */
  readonly changeError?: ErrorDetail | undefined;
  /** Why it stands still though it is `running`, until that has passed; absent = it does not. */
  readonly trouble?: ErrorDetail | undefined;
  readonly incomingUri: string | undefined;
  readonly migration: MigrationProgress | undefined;
  /** What the present copy was launched with. */
  readonly launchedWith: LaunchSize | undefined;
  /** Whole per cent of its disks that have been copied; absent = none are being copied. */
  readonly clonedPercent?: number | undefined;
}
