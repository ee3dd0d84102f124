/**
 * Memory of a running guest: the balloon takes it from the guest and gives it back, below what the
 * machine was launched with. It is the guest that lets it grow: one that does not know of it keeps
 * everything.
 */
import { type Clock, type CopyRef, type DomainError, precondition } from "@innkeeper/core";
import type { QmpClient } from "./qmp-client.js";

const MIB = 1024 * 1024;
const GIVE_BACK_TIMEOUT_MS = 8_000;
const POLL_MS = 20;

export interface BalloonParts {
  readonly ref: CopyRef;
  readonly qmp: QmpClient;
  readonly clock: Clock;
}

/**
 * Resolves when the guest has no more than that.
 * @throws `precondition`: NO_LIVE_RESIZE, MEMORY_NOT_GIVEN_BACK.
 */
export async function setMemory(parts: BalloonParts, memoryMib: number): Promise<void> {
  const { qmp, ref } = parts;
  const wanted = memoryMib * MIB;
  const { "base-memory": whole } = await qmp.execute("query-memory-size-summary");
  if (wanted > whole) throw tooMuch(ref, memoryMib, whole);
  const now = await balloonBytes(qmp);
  if (now === undefined) {
    if (wanted !== whole) throw noBalloon(ref);
    return;
  }
  if (now === wanted) return;
  await qmp.execute("balloon", { value: wanted });
  if (wanted > now || (await hasGivenBack(parts, wanted))) return;
  const left = (await balloonBytes(qmp)) ?? whole;
  await qmp.execute("balloon", { value: now });
  throw notGivenBack(ref, memoryMib, left);
}

async function hasGivenBack({ qmp, clock }: BalloonParts, wanted: number): Promise<boolean> {
  const deadlineMs = clock.monotonicMs() + GIVE_BACK_TIMEOUT_MS;
  while (((await balloonBytes(qmp)) ?? 0) > wanted) {
    if (clock.monotonicMs() > deadlineMs) return false;
    await new Promise<void>((resolve) => {
      clock.schedule(POLL_MS, resolve);
    });
  }
  return true;
}

/** What the guest has now; undefined when the machine has no balloon. */
async function balloonBytes(qmp: QmpClient): Promise<number | undefined> {
  try {
    return (await qmp.execute("query-balloon")).actual;
  } catch {
    return undefined;
  }
}

function tooMuch(ref: CopyRef, memoryMib: number, whole: number): DomainError {
  const message = `the copy was launched with ${whole / MIB} MiB and cannot have ${memoryMib}`;
  return precondition("NO_LIVE_RESIZE", message, named(ref));
}

function noBalloon(ref: CopyRef): DomainError {
  return precondition("NO_LIVE_RESIZE", "the machine has no balloon", named(ref));
}

function notGivenBack(ref: CopyRef, memoryMib: number, left: number): DomainError {
  const message =
    `the guest still has ${Math.ceil(left / MIB)} MiB after ${GIVE_BACK_TIMEOUT_MS} ms, ` +
    `${memoryMib} were asked for`;
  return precondition("MEMORY_NOT_GIVEN_BACK", message, named(ref));
}

function named({ guestUid, epoch }: CopyRef): Record<string, string> {
  return { guestUid, epoch: String(epoch) };
}
