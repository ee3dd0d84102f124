/** How far a migration is, in one line. */
import type { MigrationProgress } from "@innkeeper/proto/innkeeper/v1/operation";

const MIB = 1024 * 1024;
const BAR_WIDTH = 20;

/** @param hasBar on a terminal, where the line is overwritten by the next one */
export function migrationLine(
  progress: MigrationProgress,
  { hasBar }: { readonly hasBar: boolean },
): string {
  const { transferredBytes, remainingBytes, bytesPerSecond, dirtyBytesPerSecond } = progress;
  const parts = [
    `${mib(transferredBytes)} MiB sent`,
    `${mib(remainingBytes)} MiB left`,
    ...(bytesPerSecond > 0 ? [`${mib(bytesPerSecond)} MiB/s`] : []),
    ...(dirtyBytesPerSecond > 0 ? [`writes ${mib(dirtyBytesPerSecond)} MiB/s`] : []),
    ...(progress.slowdownPercent > 0 ? [`slowed down by ${progress.slowdownPercent} %`] : []),
    restText(progress),
  ];
  return `${hasBar ? `${bar(progress)} ` : ""}${parts.join(", ")}`;
}

function bar({ transferredBytes, remainingBytes }: MigrationProgress): string {
  const share = transferredBytes / Math.max(1, transferredBytes + remainingBytes);
  const full = Math.round(share * BAR_WIDTH);
  const drawn = `${"#".repeat(full)}${".".repeat(BAR_WIDTH - full)}`;
  return `[${drawn}] ${String(Math.round(share * 100)).padStart(3)} %`;
}

/** How long it takes from now on, if it comes to its end. */
function restText(progress: MigrationProgress): string {
  const { remainingBytes, bytesPerSecond, dirtyBytesPerSecond, elapsedMs } = progress;
  if (bytesPerSecond === 0 || remainingBytes === 0) return `${elapsedMs} ms`;
  const gained = bytesPerSecond - dirtyBytesPerSecond;
  if (gained <= 0) return `${elapsedMs} ms, no end in sight yet`;
  return `${elapsedMs} ms, about ${Math.ceil((remainingBytes * 1000) / gained)} ms to go`;
}

function mib(bytes: number): number {
  return Math.round(bytes / MIB);
}
