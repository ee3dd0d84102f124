/** Snapshots on the private wire between controllers and agents. */
import type {
  CloneOrder as ProtoClone,
  RestoreOrder as ProtoRestore,
  WantedSnapshot as ProtoSnapshot,
} from "@innkeeper/proto/innkeeper/agent/v1/assignment";
import { invalidField } from "../domain/errors.js";
import { parseUuid } from "../domain/names.js";
import {
  type CloneOf,
  type Restore,
  SNAPSHOTS_MAX,
  type WantedSnapshot,
} from "../domain/snapshot.js";
import { parseInteger } from "./numbers.js";

const EPOCH = { min: 0, max: 2 ** 52 };
const MEMORY_MIB = { min: 0, max: 2 ** 32 };

/** @throws `invalid` naming the field. */
export function parseWantedSnapshots(
  field: string,
  protos: readonly ProtoSnapshot[],
): WantedSnapshot[] {
  if (protos.length > SNAPSHOTS_MAX) {
    throw invalidField(field, protos.length, `at most ${SNAPSHOTS_MAX}`);
  }
  return protos.map(({ uid, hasMemory, memoryMib, isNew }, index) => ({
    uid: parseUuid(`${field}[${index}].uid`, uid),
    hasMemory,
    memoryMib: parseInteger(`${field}[${index}].memory_mib`, memoryMib, MEMORY_MIB),
    isNew,
  }));
}

/** @throws `invalid` naming the field. */
export function parseRestore(field: string, proto: ProtoRestore): Restore {
  return {
    snapshotUid: parseUuid(`${field}.snapshot_uid`, proto.snapshotUid),
    hasMemory: proto.hasMemory,
    epoch: parseInteger(`${field}.epoch`, proto.epoch, EPOCH),
  };
}

/** @throws `invalid` naming the field. */
export function parseCloneOf(field: string, { guestUid, snapshotUid }: ProtoClone): CloneOf {
  return {
    guestUid: parseUuid(`${field}.guest_uid`, guestUid),
    snapshotUid: snapshotUid === "" ? "" : parseUuid(`${field}.snapshot_uid`, snapshotUid),
  };
}
