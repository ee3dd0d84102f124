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
  };
  /** On the receiving side: where it listens. */
  readonly "socket-address"?: readonly QmpSocketAddress[];
}

export interface QmpSocketAddress {
  readonly type: string;
  readonly host?: string;
  readonly port?: string;
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
  readonly migrate: { readonly args: { readonly uri: string }; readonly answer: object };
  readonly migrate_cancel: { readonly args: undefined; readonly answer: object };
  readonly "migrate-incoming": { readonly args: { readonly uri: string }; readonly answer: object };
  readonly "query-migrate": { readonly args: undefined; readonly answer: QmpMigration };
  readonly "migrate-set-capabilities": {
    readonly args: { readonly capabilities: readonly QmpCapability[] };
    readonly answer: object;
  };
  readonly "migrate-set-parameters": {
    readonly args: { readonly "downtime-limit"?: number; readonly "max-bandwidth"?: number };
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
