/**
 * Changes of a guest's record that need no operation: labels, restart policy, stop time-out, how it
 * may be moved.
 */
import {
  conflict,
  type Guest,
  guestKey,
  type Labels,
  type MigrationPolicy,
  type RestartPolicy,
  withNewIntent,
} from "@innkeeper/core";
import { findGuest, type GuestCommand } from "./change-guest.js";
import { type CommandContext, mutate } from "./command-context.js";

export interface UpdateGuestInput extends GuestCommand {
  /** Revision the caller has seen, 0 = any. */
  readonly expectedRevision: number;
  readonly labels?: Labels;
  readonly restartPolicy?: RestartPolicy;
  readonly stopTimeoutMs?: number;
  readonly migrationPolicy?: MigrationPolicy;
}

/** @returns the guest's uid. @throws `not-found`, `conflict` (ETAG_MISMATCH). */
export function updateGuest(context: CommandContext, input: UpdateGuestInput): Promise<string> {
  const { requestId, ...body } = input;
  return mutate(context, { id: requestId, body: { do: "update-guest", ...body } }, () => {
    const { value, revision } = findGuest(context, input);
    refuseStale("guest", input.guestId, { expected: input.expectedRevision, actual: revision });
    const guest = { ...updated(value, input), updatedAtMs: context.clock.nowMs() };
    const key = guestKey(guest);
    const transaction = {
      checks: [{ key, revision }],
      puts: [{ key, value: guest }],
      deletes: [],
      counters: [],
    };
    return { transaction, answer: guest.uid };
  });
}

function updated(guest: Guest, input: UpdateGuestInput): Guest {
  const labelled = { ...guest, labels: input.labels ?? guest.labels };
  const { restartPolicy, stopTimeoutMs, migrationPolicy } = input;
  const changes = {
    ...(restartPolicy && { restartPolicy }),
    ...(stopTimeoutMs !== undefined && { stopTimeoutMs }),
    ...(migrationPolicy && { migrationPolicy }),
  };
  if (Object.keys(changes).length === 0) return labelled;
  const spec = { ...guest.spec, ...changes };
  return withNewIntent({ ...labelled, spec, generation: guest.generation + 1 });
}

/** @throws `conflict` (ETAG_MISMATCH) when the caller's revision is not the present one. */
export function refuseStale(
  type: string,
  id: string,
  { expected, actual }: { expected: number; actual: number },
): void {
  if (expected === 0 || expected === actual) return;
  const message = `${type} "${id}" has changed: etag is "${actual}", request has "${expected}"`;
  throw conflict("ETAG_MISMATCH", message, { type, id, etag: String(actual) });
}
