/**
 * Seeds that once found a bug; they run with every test. A seed means the same run only as long as
 * the scenarios stay the same, so each bug also has a test of its own beside the code.
 */
export const REGRESSIONS: readonly { readonly seed: number; readonly bug: string }[] = [
  { seed: 10_055, bug: "an order to remove an orphan that got lost was never repeated" },
  { seed: 10_581, bug: "an orphan of a guest that was deleted meanwhile was forgotten" },
  { seed: 1_182, bug: "a guest that was paused while it was resized never ended being resized" },
];
