/** Start times as nodes advertise them. */

/** Up to how many milliseconds which step is used. */
const STEPS = [
  { belowMs: 100, stepMs: 10 },
  { belowMs: 1_000, stepMs: 50 },
  { belowMs: Number.POSITIVE_INFINITY, stepMs: 250 },
];

/**
 * Rounded up, in steps that grow with the time: nodes that measure nearly the same say the same,
 * and none promises more than it has shown.
 */
export function roundedStart(measuredMs: number): number {
  const step = STEPS.find(({ belowMs }) => measuredMs < belowMs)?.stepMs ?? 1;
  return Math.max(step, Math.ceil(measuredMs / step) * step);
}
