/** The records as they were at an earlier revision, worked out from the change log. */
import {
  type ChangeBatch,
  DomainError,
  kindOf,
  type RecordKey,
  type RecordValue,
  type Revision,
  type StateStore,
  type StoredRecord,
} from "@innkeeper/core";

export interface EarlierState {
  readonly records: readonly StoredRecord[];
  /** What was committed since, oldest first. */
  readonly since: readonly ChangeBatch[];
}

/** What the past is worked out from. */
export type Source = Pick<StateStore, "snapshot" | "changes" | "oldestRevision">;

/** Kinds that no decision looks at. */
const SKIPPED: readonly string[] = ["operation", "controller"];

/**
 * @throws `precondition` (STATE_GONE) when the log no longer tells a record as it was then, naming
 * the revision from which it tells.
 */
export async function stateAt(store: Source, revision: Revision): Promise<EarlierState> {
  const { records, revision: now } = await store.snapshot();
  const oldest = await store.oldestRevision();
  if (revision < oldest) throw stateGone(revision, `the change log begins after ${oldest}`);
  const batches = await readUntil(store, oldest, now);
  const since = batches.filter((batch) => batch.revision > revision);
  const known = lastChanges(batches.filter((batch) => batch.revision <= revision));
  const touched = firstChanges(since);
  const isWhole = oldest === 0;
  for (const [key, value] of touched) {
    if (!isWhole && !known.has(key) && !isNew(value))
      throw stateGone(revision, `${key} has changed since`);
  }
  const unchanged = records.filter(({ key }) => !known.has(key) && !touched.has(key));
  const changed = [...known.values()].filter((each): each is StoredRecord => each !== undefined);
  return { records: [...unchanged, ...changed], since };
}

async function readUntil(store: Source, after: Revision, end: Revision): Promise<ChangeBatch[]> {
  const batches: ChangeBatch[] = [];
  if (after >= end) return batches;
  const abort = new AbortController();
  for await (const batch of store.changes(after, abort.signal)) {
    if (batch === "compacted") throw stateGone(after, "the change log was shortened meanwhile");
    batches.push(batch);
    if (batch.revision >= end) break;
  }
  abort.abort();
  return batches;
}

function lastChanges(batches: readonly ChangeBatch[]): Map<RecordKey, StoredRecord | undefined> {
  const found = new Map<RecordKey, StoredRecord | undefined>();
  for (const { revision, changes } of batches) {
    for (const { key, value } of changes) {
      found.set(key, value === undefined ? undefined : { key, value, revision });
    }
  }
  return found;
}

function firstChanges(batches: readonly ChangeBatch[]): Map<RecordKey, RecordValue | undefined> {
  const found = new Map<RecordKey, RecordValue | undefined>();
  for (const { key, value } of batches.flatMap(({ changes }) => changes)) {
    if (!found.has(key) && !SKIPPED.includes(kindOf(key))) found.set(key, value);
  }
  return found;
}

/** Its first record: nothing was there before. Images never change. */
function isNew(value: RecordValue | undefined): boolean {
  if (value === undefined || !("createdAtMs" in value)) return false;
  return !("updatedAtMs" in value) || value.createdAtMs === value.updatedAtMs;
}

function stateGone(revision: Revision, why: string): DomainError {
  return new DomainError({
    kind: "precondition",
    reason: "STATE_GONE",
    message: `the state at revision ${revision} cannot be told any more: ${why}`,
    metadata: { revision: String(revision) },
  });
}
