/** Entries of the change stream: one commit each (`redis-keys.ts` says what is in them). */
import {
  type Change,
  type ChangeBatch,
  corruptRecord,
  decodeRecord,
  type RecordKey,
  type Revision,
} from "@innkeeper/core";
import { counterOf, TIME_FIELD } from "./redis-keys.js";

/** `[id, [field, value, …]]` as Redis gives it. */
export type RawEntry = readonly [id: string, fields: readonly string[]];

export interface ChangeEntry extends ChangeBatch {
  /** Values after the commit. */
  readonly counters: readonly (readonly [key: string, value: number])[];
}

export function revisionOfId(id: string): Revision {
  return Number(id.slice(0, id.indexOf("-")));
}

/** The id of the entry that a commit of this revision appended. */
export function idOfRevision(revision: Revision): string {
  return `${revision}-0`;
}

/** @throws `corrupt` naming the record, or the entry */
export function decodeEntry([id, fields]: RawEntry): ChangeEntry {
  const changes: Change[] = [];
  const counters: (readonly [string, number])[] = [];
  let atMs = Number.NaN;
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const [field = "", value = ""] = [fields[index], fields[index + 1]];
    const counter = counterOf(field);
    if (field === TIME_FIELD) atMs = Number(value);
    else if (counter !== undefined) counters.push([counter, Number(value)]);
    else changes.push(changeOf(field as RecordKey, value));
  }
  if (Number.isNaN(atMs)) throw corruptRecord(`change ${id}`, "it has no time");
  return { revision: revisionOfId(id), atMs, changes, counters };
}

function changeOf(key: RecordKey, text: string): Change {
  return { key, value: text === "" ? undefined : decodeRecord(key, text) };
}
