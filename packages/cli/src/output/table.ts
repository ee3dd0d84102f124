/** Borderless tables for people. */

/** Columns as wide as their widest cell, two spaces between, nothing after the last. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) =>
    Math.max(...all.map((row) => (row[column] ?? "").length)),
  );
  return all
    .map((row) =>
      row
        .map((cell, column) =>
          column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Name and value under each other. */
export function details(pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${name.padEnd(width)}  ${value}`)
    .join("\n");
}

/** "3s", "12m", "5h", "2d" since then; empty when unknown. */
export function age(since: Date | undefined, nowMs: number): string {
  if (since === undefined) return "";
  const seconds = Math.max(0, Math.round((nowMs - since.getTime()) / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)}m`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)}h` : `${Math.round(seconds / 86_400)}d`;
}

/** "MODE_PARAVIRT" → "paravirt", "GUEST_PHASE_RUNNING" → "RUNNING". */
export function enumName(value: string, prefix: string): string {
  return value.startsWith(prefix) ? value.slice(prefix.length) : value;
}
