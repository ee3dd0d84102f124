/**
 * The part of QEMU's machine protocol (QMP) that is used here, typed. Names are QEMU's own; sizes
 * are bytes, times ms.
 */

export interface QmpStatus {
  readonly running: boolean;
  /**
   * QEMU's RunState, e.g. `running`, `paused`, `inmigrate`, `postmigrate`, `shutdown`,
   * `internal-error`.
   */
  readonly status: string;
}

export interface QmpMigration {
  /**
   * `setup`, `active`, `device`, `completed`, `failed`, `cancelling`, `cancelled`; absent before
   * the first.
   */
  readonly status?: string;
  readonly "total-time"?: number;
  readonly downtime?: number;
  readonly "error-desc"?: string;
  readonly ram?: {
    readonly transferred: number;
    readonly remaining: number;
    readonly total: number;
    /** Millions of bits a second. */
    readonly mbps: number;
    /** Pages a second. */
    readonly "dirty-pages-rate": number;
    readonly "page-size": number;
    readonly "dirty-sync-count": number;
  };
  /** How far the guest is slowed down; absent = not at all. */
  readonly "cpu-throttle-percentage"?: number;
  /** On the receiving side: where it listens. */
  readonly "socket-address"?: readonly QmpSocketAddress[];
}

export interface QmpSocketAddress {
  readonly type: string;
  readonly host?: string;
  readonly port?: string;
}

export interface QmpBlockNode {
  readonly "node-name": string;
  /** Its file's name. */
  readonly file: string;
  /** It cannot be written. */
  readonly ro: boolean;
  readonly image?: { readonly snapshots?: readonly { readonly name: string }[] };
}

/** `device` may be the name of the top node of a disk. */
export interface QmpInternalSnapshot {
  readonly device: string;
  readonly name: string;
}

export interface QmpVmState {
  readonly "job-id": string;
  readonly tag: string;
  /** Node that holds the memory. */
  readonly vmstate: string;
  readonly devices: readonly string[];
}

export interface QmpJob {
  readonly id: string;
  /** `concluded` at the end, until it is dismissed. */
  readonly status: string;
  readonly error?: string;
}

export interface QmpDrive {
  /** Path of the device in QEMU's tree of objects. */
  readonly qdev?: string;
  readonly inserted?: { readonly image: { readonly "virtual-size": number } };
}

export interface QmpCapability {
  readonly capability: "events" | "auto-converge";
  readonly state: boolean;
}

/** Command name → what it takes and what it answers. */
export interface QmpCommands {
  readonly qmp_capabilities: { readonly args: undefined; readonly answer: object };
  readonly "query-status": { readonly args: undefined; readonly answer: QmpStatus };
  readonly stop: { readonly args: undefined; readonly answer: object };
  readonly cont: { readonly args: undefined; readonly answer: object };
  readonly system_powerdown: { readonly args: undefined; readonly answer: object };
  /** `value` in bytes: what the guest is to keep. */
  readonly balloon: { readonly args: { readonly value: number }; readonly answer: object };
  readonly "query-balloon": {
    readonly args: undefined;
    readonly answer: { readonly actual: number };
  };
  readonly "query-memory-size-summary": {
    readonly args: undefined;
    readonly answer: { readonly "base-memory": number };
  };
  readonly "query-cpus-fast": { readonly args: undefined; readonly answer: readonly object[] };
  readonly "query-block": { readonly args: undefined; readonly answer: readonly QmpDrive[] };
  readonly "query-named-block-nodes": {
    readonly args: { readonly flat: true };
    readonly answer: readonly QmpBlockNode[];
  };
  readonly transaction: {
    readonly args: {
      readonly actions: readonly {
        readonly type: "blockdev-snapshot-internal-sync";
        readonly data: QmpInternalSnapshot;
      }[];
    };
    readonly answer: object;
  };
  readonly "blockdev-snapshot-delete-internal-sync": {
    readonly args: QmpInternalSnapshot;
    readonly answer: object;
  };
  readonly "snapshot-save": { readonly args: QmpVmState; readonly answer: object };
  readonly "snapshot-load": { readonly args: QmpVmState; readonly answer: object };
  readonly "query-jobs": { readonly args: undefined; readonly answer: readonly QmpJob[] };
  readonly "job-dismiss": { readonly args: { readonly id: string }; readonly answer: object };
  readonly "blockdev-add": { readonly args: object; readonly answer: object };
  readonly "blockdev-del": {
    readonly args: { readonly "node-name": string };
    readonly answer: object;
  };
  readonly device_add: { readonly args: object; readonly answer: object };
  readonly device_del: { readonly args: { readonly id: string }; readonly answer: object };
  /** `size` in bytes. */
  readonly block_resize: {
    readonly args: { readonly "node-name": string; readonly size: number };
    readonly answer: object;
  };
  readonly "qom-list": {
    readonly args: { readonly path: string };
    readonly answer: readonly { readonly name: string }[];
  };
  readonly "qom-set": {
    readonly args: { readonly path: string; readonly property: string; readonly value: object };
    readonly answer: object;
  };
  /** `calc-time` in seconds. */
  readonly "calc-dirty-rate": {
    readonly args: { readonly "calc-time": number; readonly "sample-pages": number };
    readonly answer: object;
  };
  /** `dirty-rate` in MiB/s, of the last measurement. */
  readonly "query-dirty-rate": {
    readonly args: undefined;
    readonly answer: { readonly status: string; readonly "dirty-rate"?: number };
  };
  readonly migrate: { readonly args: { readonly uri: string }; readonly answer: object };
  readonly migrate_cancel: { readonly args: undefined; readonly answer: object };
  readonly "migrate-incoming": { readonly args: { readonly uri: string }; readonly answer: object };
  readonly "query-migrate": { readonly args: undefined; readonly answer: QmpMigration };
  readonly "migrate-set-capabilities": {
    readonly args: { readonly capabilities: readonly QmpCapability[] };
    readonly answer: object;
  };
  readonly "migrate-set-parameters": {
    readonly args: {
      readonly "downtime-limit"?: number;
      readonly "max-bandwidth"?: number;
      readonly "cpu-throttle-initial"?: number;
      readonly "cpu-throttle-increment"?: number;
      readonly "max-cpu-throttle"?: number;
    };
    readonly answer: object;
  };
}

export type QmpCommandName = keyof QmpCommands;

export interface QmpEvent {
  /** E.g. `STOP`, `RESUME`, `SHUTDOWN`, `MIGRATION`. */
  readonly event: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** One line from QEMU: greeting, answer, error or event. */
export interface QmpMessage {
  readonly QMP?: object;
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
  readonly event?: string;
  readonly data?: Readonly<Record<string, unknown>>;
}
