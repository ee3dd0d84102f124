/** How a copy is called on its host: `<guest uid>.<epoch>`, safe in paths and arguments (E2). */
import { readdir } from "node:fs/promises";
import { type CopyRef, isUuid } from "@innkeeper/core";

export function copyName({ guestUid, epoch }: CopyRef): string {
  return `${guestUid}.${epoch}`;
}

/** Every copy that has a directory. */
export async function listCopies(stateDirectory: string): Promise<CopyRef[]> {
  const names = await readdir(stateDirectory).catch(() => []);
  return names.map(parseCopyName).filter((ref) => ref !== undefined);
}

export function isCopyName(name: string): boolean {
  return parseCopyName(name) !== undefined;
}

function parseCopyName(name: string): CopyRef | undefined {
  const at = name.lastIndexOf(".");
  const guestUid = name.slice(0, Math.max(at, 0));
  const epoch = Number(name.slice(at + 1));
  return isUuid(guestUid) && Number.isSafeInteger(epoch) ? { guestUid, epoch } : undefined;
}
