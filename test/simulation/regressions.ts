/**
 * Seeds that once found a bug; they run with every test. A seed means the same run only until the
 * simulator changes, so each bug has a test of its own beside the code as well.
 */
export const REGRESSIONS: readonly { readonly seed: number; readonly bug: string }[] = [
  { seed: 13, bug: "stop of a guest that was cancelled before it had a place never ended" },
  { seed: 84, bug: "the leader asked a node to remove a copy again and again without a pause" },
  { seed: 30, bug: "an agent that started anew did not tell where its incoming copy listens" },
  { seed: 94, bug: "a late report replaced a newer one, and the guest stayed STARTING for ever" },
];
