/**
 * A guest: `spec` is desired and written by users, `status` is observed and written by the leader
 * only. The phase is set in one place, `guest-lifecycle.ts`.
 */
import type { CopyExit, LaunchSize } from "./copy.js";
import { type DataDisk, dataDisksMib } from "./disk.js";
import type { ErrorDetail } from "./errors.js";
import type { GuestPhase } from "./guest-phase.js";
import type { GuestLimits } from "./limits.js";
import type { MigrationPolicy } from "./migration-policy.js";
import type { EngineName, Mode, ModeRequest } from "./mode.js";
import type { Labels } from "./names.js";
import type { GuestNeeds } from "./needs.js";
import type { GuestNetwork, PortForward } from "./network.js";
import type { PlacementDecision, Rejection } from "./placement.js";
import type { PlacementRules } from "./placement-rules.js";
import { maxResources, type Resources } from "./resources.js";
import type { GuestSeed } from "./seed.js";
import { type CloneOf, type GuestSnapshot, type Restore, snapshotsMib } from "./snapshot.js";

export const DESIRED_RUN_STATES = ["running", "paused", "stopped"] as const;
export type DesiredRunState = (typeof DESIRED_RUN_STATES)[number];

/**
 * `always`: restart whatever ended it; `on-failure`: not after the guest's own power-off; `never`.
 */
export const RESTART_WHEN = ["always", "on-failure", "never"] as const;
export type RestartWhen = (typeof RESTART_WHEN)[number];

export const PRIORITY_MAX = 1000;

/** Restarts on the same node. The delay doubles from `backoffMsMin` up to `backoffMsMax`. */
export interface RestartPolicy {
  readonly when: RestartWhen;
  /**
   * Restarts in a row before the guest is FAILED; a run of `backoffMsMax` or longer resets the
   * count.
   */
  readonly attemptsMax: number;
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
}

export interface GuestSpec {
  readonly imageId: string;
  readonly mode: ModeRequest;
  readonly needs: GuestNeeds;
  readonly rules: PlacementRules;
  /** Who gets room first when there is not enough; absent = 0, as for all guests of old. */
  readonly priority?: number;
  /**
   * It may be made to leave when a guest of a greater priority has no room. Such guests have no
   * disk.
   */
  readonly isPreemptible?: true;
  /** Absent = as many guests like it may be down as it takes. */
  readonly disruptionBudget?: DisruptionBudget;
  /** Absent = the defaults. */
  readonly migrationPolicy?: MigrationPolicy;
  readonly resources: Resources;
  /** Absent = none. */
  readonly limits?: GuestLimits;
  /** Disks beside the first, whose size is in `resources`; absent = none. */
  readonly dataDisks?: readonly DataDisk[];
  /** Oldest first; absent = none. */
  readonly snapshots?: readonly GuestSnapshot[];
  /** The snapshot that it was last restored from. */
  readonly restore?: Restore;
  /** Until its own disks are there: what they begin as. */
  readonly cloneOf?: CloneOf;
  /** Appended to the image's kernel command line. */
  readonly commandLine: string;
  readonly restartPolicy: RestartPolicy;
  readonly desired: DesiredRunState;
  /** Ports of its node that lead to it. Undefined = none, as in all guests of old. */
  readonly forwards?: readonly PortForward[];
  /** On the bridge of its node. Undefined: in a network of its own, as all guests of old. */
  readonly isBridged?: true;
  /** Undefined: it is told nothing, as all guests of old. */
  readonly seed?: GuestSeed;
  /** Only this node will do; empty = any. */
  readonly nodeId: string;
  /** How long a guest may take to power off before it is ended by force. */
  readonly stopTimeoutMs: number;
  /** Bumped by each StartGuest: tells the agent to forget earlier failures. */
  readonly startCount: number;
}

/** How many guests of a project with one label the cluster may have down, of its own accord. */
export interface DisruptionBudget {
  readonly guestLabel: { readonly key: string; readonly value: string };
  readonly downMax: number;
}

/** Where a guest is and how it got there; its resources are the allocation. */
export interface Placement {
  readonly nodeId: string;
  readonly engine: EngineName;
  readonly mode: Mode;
  /** Guest epoch of the copy that may run. */
  readonly epoch: number;
  readonly decision: PlacementDecision;
}

/**
 * `copying`: reversible, the source owns. `switching`: past the point of no return, the target
 * owns. `reverting`: going back.
 */
export const MIGRATION_STEPS = ["copying", "switching", "reverting"] as const;
export type MigrationStep = (typeof MIGRATION_STEPS)[number];

export interface Migration {
  readonly operationId: string;
  readonly step: MigrationStep;
  /** It is `copying` and has not begun: its nodes are busy with other moves. */
  readonly isQueued?: true | undefined;
  readonly sourceNodeId: string;
  readonly sourceEpoch: number;
  readonly target: Placement;
  readonly downtimeMsMax: number;
  /** When it began: after the policy's time from then it is given up. */
  readonly startedAtMs: number;
  /** Why it is reverting. */
  readonly error: ErrorDetail | undefined;
}

/** A change of resources under way. Until its node confirms it, the guest holds both amounts. */
export interface Resize {
  /** What it had, and has again if the change cannot be made. */
  readonly from: Resources;
  /** The rest of what may change, as it was; absent = it does not change. */
  readonly before?: Pick<GuestSpec, "limits" | "dataDisks" | "snapshots">;
}

/**
 * It makes room for a guest of a greater priority: powered off, then taken off its node; then it
 * waits for a place as when it was new.
 */
export interface Eviction {
  readonly step: "stopping" | "removing";
  readonly by: Preemptor;
}

/** For whom room is made. */
export interface Preemptor {
  readonly guestUid: string;
  /** For people: project/id. */
  readonly name: string;
  readonly priority: number;
}

/** The room that others are making for it. */
export interface Preempting {
  readonly nodeId: string;
  readonly victimUids: readonly string[];
}

export interface GuestStatus {
  readonly phase: GuestPhase;
  /** UPPER_SNAKE, why the guest is in this phase; empty when there is nothing to say. */
  readonly reason: string;
  readonly message: string;
  readonly placement: Placement | undefined;
  readonly migration: Migration | undefined;
  readonly resize: Resize | undefined;
  readonly eviction?: Eviction | undefined;
  readonly preempting?: Preempting | undefined;
  /** Undefined for guests of old, whose address follows from their uid. */
  readonly network?: GuestNetwork;
  /** What its present copy was launched with; undefined before the first. */
  readonly launchedWith: LaunchSize | undefined;
  /** Since when it has waited for a place; absent = since it was created, or it has one. */
  readonly waitingSinceMs?: number | undefined;
  /** Why it fits nowhere, while PENDING. */
  readonly rejections: readonly Rejection[];
  /** Highest epoch ever given to a copy of this guest. */
  readonly epochLast: number;
  readonly observedGeneration: number;
  readonly restartCount: number;
  readonly startedAtMs: number | undefined;
  readonly lastExit: CopyExit | undefined;
}

export interface Guest {
  /** UUID; names the guest on nodes, in paths and in journals. */
  readonly uid: string;
  /** User-chosen, unique in its project. */
  readonly id: string;
  readonly projectId: string;
  readonly labels: Labels;
  /**
   * UUID of the gang it came in: its guests without a place get places all together or none.
   * Undefined when it came alone.
   */
  readonly gangId: string | undefined;
  /** Counts spec changes. */
  readonly generation: number;
  /**
   * Counts changes of what nodes should do for this guest: spec, placement, migration step,
   * deletion. Orders assignments.
   */
  readonly intent: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly isDeleting: boolean;
  /** The running operation, empty when none: one at a time. */
  readonly operationId: string;
  readonly spec: GuestSpec;
  readonly status: GuestStatus;
}

/**
 * What the guest holds of its node and its project's quota. While it is resized, the larger of both
 * amounts of each kind: what it gives back is free only when it has given it back.
 */
export function takenBy({ spec, status }: Pick<Guest, "spec" | "status">): Resources {
  const { resize } = status;
  if (resize === undefined) return heldBy(spec);
  return maxResources(heldBy(spec), heldBy({ ...spec, ...resize.before, resources: resize.from }));
}

/** What a guest of this spec takes: the disk space is that of all its disks and snapshots. */
export function heldBy(spec: Pick<GuestSpec, "resources" | "dataDisks" | "snapshots">): Resources {
  const { resources, dataDisks, snapshots } = spec;
  const moreMib = dataDisksMib(dataDisks) + snapshotsMib(snapshots);
  return { ...resources, diskMib: resources.diskMib + moreMib };
}

/** At least one vCPU; more than 1000 milli-CPUs need another. */
export function vcpuCount(resources: Resources): number {
  return Math.max(1, Math.ceil(resources.cpuMillis / 1000));
}
