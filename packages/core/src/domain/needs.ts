/** What a guest needs of the way in which it is virtualized, whichever that is. */
export interface GuestNeeds {
  /** It must be able to move while it runs. */
  readonly liveMigration: boolean;
  /** It must not share the host's kernel. */
  readonly ownKernel: boolean;
  /** From launch to first word, as the node has measured it; undefined = as long as it takes. */
  readonly startWithinMs: number | undefined;
}

export const NO_NEEDS: GuestNeeds = {
  liveMigration: false,
  ownKernel: false,
  startWithinMs: undefined,
};
