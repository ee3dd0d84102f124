/** A resumable watch: a snapshot, then every change in order. */
import {
  type ChangeBatch,
  type DomainError,
  type Guest,
  kindOf,
  precondition,
} from "@innkeeper/core";
import type { WatchGuestsResponse } from "@innkeeper/proto/innkeeper/v1/guest_service";
import type { Controller } from "../controller.js";
import { guestToProto } from "./guest-codec.js";

export interface WatchRequest {
  /** Empty = all projects. */
  readonly projectId: string;
  /** 0 = begin with a snapshot. */
  readonly fromRevision: number;
  readonly signal: AbortSignal;
}

const NOTHING: WatchGuestsResponse = {
  revision: 0,
  guest: undefined,
  deletedGuest: "",
  snapshotComplete: false,
};

/**
 * @throws `precondition` (WATCH_COMPACTED) when the changes after the revision are no longer kept.
 */
export async function* watchGuests(
  { mirror, store }: Controller,
  { projectId, fromRevision, signal }: WatchRequest,
): AsyncGenerator<WatchGuestsResponse> {
  let revision = fromRevision;
  if (fromRevision === 0) {
    revision = mirror.revision;
    const snapshot = mirror.guests().map((guest) => mirror.guestByUid(guest.uid));
    for (const found of snapshot) {
      if (!found || !isWatched(found.value, projectId)) continue;
      yield { ...NOTHING, revision, guest: guestToProto(found) };
    }
    yield { ...NOTHING, revision, snapshotComplete: true };
  }
  for await (const batch of store.changes(revision, signal)) {
    if (batch === "compacted") throw compacted(fromRevision);
    yield* responses(batch, projectId);
  }
}

function* responses(batch: ChangeBatch, projectId: string): Generator<WatchGuestsResponse> {
  const { revision } = batch;
  for (const { key, value } of batch.changes) {
    if (kindOf(key) !== "guest") continue;
    const guest = value as Guest | undefined;
    const name = key.slice("guest/".length);
    if (projectId !== "" && !name.startsWith(`${projectId}/`)) continue;
    yield guest === undefined
      ? { ...NOTHING, revision, deletedGuest: name }
      : { ...NOTHING, revision, guest: guestToProto({ value: guest, revision }) };
  }
}

function isWatched(guest: Guest, projectId: string): boolean {
  return projectId === "" || guest.projectId === projectId;
}

export function compacted(revision: number): DomainError {
  const message = `changes after revision ${revision} are no longer kept: start again from 0`;
  return precondition("WATCH_COMPACTED", message, { revision: String(revision) });
}
