/** How a guest may be moved while it runs. */

export interface MigrationPolicy {
  /**
   * How long it may stand still for the last bytes. The limit begins far lower and reaches this
   * only for a guest that writes faster than its memory can be sent.
   */
  readonly downtimeMsMax: number;
  /** How far it may be slowed down meanwhile, in percent of its CPU time; 0 = not at all. */
  readonly slowdownPercentMax: number;
  /** After this time it is given up, and the guest runs on where it is. */
  readonly timeoutMs: number;
}

export const MIGRATION_POLICY_DEFAULTS: MigrationPolicy = {
  downtimeMsMax: 300,
  slowdownPercentMax: 80,
  timeoutMs: 3_600_000,
};

/** Absent = the defaults, as for all guests of old. */
export function migrationPolicyOf(spec: {
  readonly migrationPolicy?: MigrationPolicy;
}): MigrationPolicy {
  return spec.migrationPolicy ?? MIGRATION_POLICY_DEFAULTS;
}
