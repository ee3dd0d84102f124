/** What is expected of a live migration before it begins, and how far that was from the truth. */

export interface MigrationForecast {
  readonly sourceNodeId: string;
  readonly targetNodeId: string;
  /** False: it would stall under the guest's policy; the times are those until then. */
  readonly willConverge: boolean;
  /** Times that memory is gone through. */
  readonly rounds: number;
  /** From its turn until it is over. */
  readonly totalMs: number;
  /** How long the guest stands still for the last bytes, without the handover. */
  readonly downtimeMs: number;
  /** What is sent in all. */
  readonly transferBytes: number;
  /** What it was made from. */
  readonly basis: ForecastBasis;
  /** Set at the end. */
  readonly actualTotalMs?: number;
}

export interface ForecastBasis {
  /** What the guest holds of its memory. */
  readonly memoryBytes: number;
  /** Pages that it writes to, as its node measured; undefined = not measured, taken as none. */
  readonly dirtyBytesPerSecond: number | undefined;
  /** What earlier migrations carried. */
  readonly bytesPerSecond: number;
  /** What they took beside the copying. */
  readonly overheadMs: number;
  /** Migrations that both are from; 0 = they are assumed. */
  readonly samples: number;
}
