/** How every benchmark ends: a table for people, then one line of JSON for programs. */

export interface BenchResult {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The peer or bare figure of the same run. */
  readonly baseline?: number;
  /** value / baseline. */
  readonly ratio?: number;
}

export interface Bench {
  readonly name: string;
  /** One sentence: what is measured against what. */
  readonly about: string;
  /** `only`: the cases to run, by name; empty = all. Not every benchmark has cases. */
  run(say: (line: string) => void, only: readonly string[]): Promise<readonly BenchResult[]>;
}

export function againstBaseline(
  result: Omit<BenchResult, "ratio"> & { readonly baseline: number },
): BenchResult & { readonly ratio: number } {
  const ratio = Number((result.value / result.baseline).toFixed(3));
  return { ...result, ratio };
}

export function table(results: readonly BenchResult[]): string {
  const rows = results.map(({ name, value, unit, baseline, ratio }) => [
    name,
    `${value} ${unit}`,
    baseline === undefined ? "" : `${baseline} ${unit}`,
    ratio === undefined ? "" : `${ratio}x`,
  ]);
  const all = [["RESULT", "VALUE", "BASELINE", "RATIO"], ...rows];
  const widths = [0, 1, 2, 3].map((column) =>
    Math.max(...all.map((row) => (row[column] ?? "").length)),
  );
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
