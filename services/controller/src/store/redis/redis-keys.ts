/**
 * Every key that the Redis store uses. All share one hash tag, so that one script call stays in one
 * slot.
 */

/** Fields that are neither record keys nor counters: those never begin with this. */
export const OWN_MARK = "@";
export const TIME_FIELD = "@";
export const REVISION_FIELD = "@revision";

/** Record keys never begin with this. */
const COUNTER_MARK = "=";

export interface RedisKeys {
  /**
   * Hash, all that decisions need: `@revision` of the newest commit, `@epoch` = highest leader
   * epoch granted, record key -> its revision, `=` + counter key -> its value unless 0.
   */
  readonly state: string;
  /** Hash: record key -> stored record. */
  readonly records: string;
  /**
   * Stream: one entry for each commit, id `<revision>-0`, fields `@` -> epoch ms, record key ->
   * stored record or nothing when deleted, `=` + counter key -> value after.
   */
  readonly changes: string;
  /** String with a TTL: `<epoch> <holder>` while somebody leads. */
  readonly lease: string;
  /** String with a TTL: the newest group of one writer in this slot, `<number> <replies>`. */
  group(writerId: string, slot: number): string;
  /** String with a TTL: `[revision, epoch ms, body, answer]`. */
  request(requestId: string): string;
}

/** @param prefix tells clusters in one Redis apart */
export function redisKeys(prefix: string): RedisKeys {
  const tag = `{${prefix}}`;
  return {
    state: `${tag}:state`,
    records: `${tag}:records`,
    changes: `${tag}:changes`,
    lease: `${tag}:lease`,
    group: (writerId, slot) => `${tag}:group:${writerId}:${slot}`,
    request: (requestId) => `${tag}:request:${requestId}`,
  };
}

export function counterField(key: string): string {
  return `${COUNTER_MARK}${key}`;
}

/** The counter that a field is for, if it is one. */
export function counterOf(field: string): string | undefined {
  return field.startsWith(COUNTER_MARK) ? field.slice(COUNTER_MARK.length) : undefined;
}
