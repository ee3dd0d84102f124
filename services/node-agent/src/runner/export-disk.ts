/** Streams a guest's first disk away. While the file is made, it says each second that it lives. */
import type { Clock, DiskPiece, DiskStore } from "@innkeeper/core";

const ALIVE_MS = 1_000;
const NOTHING = new Uint8Array();

/** See `AgentClient.exportDisk`. */
export async function* exportDiskOf(
  { disks, clock }: { readonly disks: DiskStore; readonly clock: Clock },
  { guestUid, snapshotUid }: { readonly guestUid: string; readonly snapshotUid: string },
  signal: AbortSignal,
): AsyncGenerator<DiskPiece> {
  const making = disks.exportDisk(guestUid, snapshotUid, signal);
  let isMade = false;
  const made = making.then(
    () => {
      isMade = true;
    },
    () => {
      isMade = true;
    },
  );
  for (;;) {
    await Promise.race([made, pause(clock)]);
    if (isMade) break;
    yield { totalBytes: 0, bytes: NOTHING };
  }
  const file = await making;
  const { sizeBytes: totalBytes } = file;
  try {
    for await (const bytes of file.read()) yield { totalBytes, bytes };
  } finally {
    await file.remove();
  }
}

function pause(clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    clock.schedule(ALIVE_MS, resolve);
  });
}
