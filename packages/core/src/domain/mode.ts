/**
 * The ways to virtualize a guest (ARCHITECTURE.md, "Modes"): what the guest sees, not which program
 * runs it.
 */
export const MODES = ["full", "hybrid", "paravirt", "container"] as const;
export type Mode = (typeof MODES)[number];

/** What a user may ask for; `auto` lets the scheduler choose. */
export type ModeRequest = Mode | "auto";

export const ENGINE_NAMES = ["qemu", "container", "xen", "sim"] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** How guest instructions are executed on a node, proved by running a guest. */
export const ACCELERATIONS = ["kvm", "hvf", "tcg", "none"] as const;
export type Acceleration = (typeof ACCELERATIONS)[number];

/**
 * What one engine can do on one node in one mode; advertised by the agent, used by the scheduler.
 */
export interface ModeAbility {
  readonly engine: EngineName;
  readonly engineVersion: string;
  readonly mode: Mode;
  readonly acceleration: Acceleration;
  readonly canLiveMigrate: boolean;
  readonly canPause: boolean;
  /** The CPU share of a running guest can be changed, up to the vCPUs that it was launched with. */
  readonly canSetCpu: boolean;
  /** A running guest can give memory back and get it again, up to what it was launched with. */
  readonly canSetMemory: boolean;
  /** Ports of the node can lead to its guests. Undefined = no, as in all agents of old. */
  readonly canForward?: boolean;
  /** The network rate of its guests on a bridge can be limited; absent = no. */
  readonly canLimitNetwork?: boolean;
  /** A running guest can be given disks and lose them; absent = no. */
  readonly canAttachDisks?: boolean;
  /** A running guest sees that a disk has grown; absent = no. */
  readonly canGrowDisks?: boolean;
  /** Its disks can be snapshot while a guest runs; absent = no. */
  readonly canSnapshot?: boolean;
  /** And its memory with them; absent = no. */
  readonly canSnapshotMemory?: boolean;
  /**
   * From launch to the first word of a guest, as measured by the probe and rounded up so that equal
   * nodes stay equal; undefined = not measured.
   */
  readonly startMs: number | undefined;
}
