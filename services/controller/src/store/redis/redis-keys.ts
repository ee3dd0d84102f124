/**
 * Every key that the Redis store uses. All share one hash tag, so that one script call stays in one
 * slot.
 */

/** Fields and record keys never begin with these. */
export const COUNTER_MARK = "=";
export const TIME_FIELD = "@";

export interface RedisKeys {
  /** Hash: `revision` of the newest commit, `epoch` = highest leader epoch granted. */
  readonly meta: string;
  /** Hash: record key -> stored record. */
  readonly records: string;
  /** Hash: record key -> revision of the commit that wrote it last. */
  readonly revisions: string;
  /** Hash: counter key -> value; absent = 0. */
  readonly counters: string;
  /**
   * Stream: one entry for each commit, id `<revision>-0`, fields `@` -> epoch ms, record key ->
   * stored record or nothing when deleted, `=` + counter key -> value after.
   */
  readonly changes: string;
  /** String with a TTL: `<epoch> <holder>` while somebody leads. */
  readonly lease: string;
  /** Hash with a TTL: the last groups of one writer, `<turn> <packed replies>`. */
  writer(writerId: string): string;
  /** String with a TTL: `[revision, epoch ms, body, answer]`. */
  request(requestId: string): string;
}

/** @param prefix tells clusters in one Redis apart */
export function redisKeys(prefix: string): RedisKeys {
  const tag = `{${prefix}}`;
  return {
    meta: `${tag}:meta`,
    records: `${tag}:records`,
    revisions: `${tag}:revisions`,
    counters: `${tag}:counters`,
    changes: `${tag}:changes`,
    lease: `${tag}:lease`,
    writer: (writerId) => `${tag}:writer:${writerId}`,
    request: (requestId) => `${tag}:request:${requestId}`,
  };
}
