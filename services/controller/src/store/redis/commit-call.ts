/**
 * A group of transactions as the arguments of the commit script: every key once, numbers in one
 * plan, records as the text that is stored.
 */
import type { EncodedTransaction } from "../encoded-transaction.js";
import { counterField, type RedisKeys } from "./redis-keys.js";

export interface CommitSettings {
  readonly requestKeptMs: number;
  readonly changesKeptMax: number;
}

/** What makes a group one that cannot be done twice. */
export interface GroupToken {
  readonly writerId: string;
  /** Grows by one from group to group. */
  readonly group: number;
}

/** Groups of a writer whose replies are remembered; more than are ever in flight. */
export const REMEMBERED_GROUPS = 8;
/** How long a group is remembered: much longer than it is repeated. */
const GROUP_TTL_MS = 10 * 60_000;
/** Redis forgets a request id this long after it has stopped to count. */
const REQUEST_SLACK_MS = 60 * 60_000;

export interface CommitCall {
  readonly requestKeys: readonly string[];
  readonly texts: readonly string[];
  /** The plan's numbers, without those of the token. */
  readonly plan: readonly (number | null)[];
}

export function commitCall(
  group: readonly EncodedTransaction[],
  keys: RedisKeys,
  settings: CommitSettings & { readonly nowMs: number },
): CommitCall {
  return new CallBuilder(group).build(keys, settings);
}

/** The arguments after the script's digest. */
export function argumentsFor(
  call: CommitCall,
  keys: RedisKeys,
  { writerId, group }: GroupToken,
): readonly string[] {
  const token = keys.group(writerId, group % REMEMBERED_GROUPS);
  const all = [keys.state, keys.records, keys.changes, token, ...call.requestKeys];
  const plan = JSON.stringify([group, GROUP_TTL_MS, ...call.plan]);
  return [String(all.length), ...all, plan, ...call.texts];
}

/** Numbers the keys of a group from 1, in the order of first use. */
class Numbering<K extends string> {
  readonly #numbers = new Map<K, number>();

  numberOf(key: K): number {
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.#numbers.size + 1);
    return this.#numbers.size;
  }

  get keys(): readonly K[] {
    return [...this.#numbers.keys()];
  }
}

class CallBuilder {
  readonly #group: readonly EncodedTransaction[];
  /** In the order in which the script wants them. */
  readonly #fields = new Numbering<string>();
  readonly #requests = new Numbering<string>();
  readonly #plan: (number | null)[] = [];
  readonly #texts: string[] = [];

  constructor(group: readonly EncodedTransaction[]) {
    this.#group = group;
  }

  build(keys: RedisKeys, settings: CommitSettings & { readonly nowMs: number }): CommitCall {
    const { nowMs, requestKeptMs, changesKeptMax } = settings;
    for (const { transaction } of this.#group) {
      for (const { key } of transaction.counters) this.#fields.numberOf(counterField(key));
    }
    for (const { transaction } of this.#group) {
      for (const { key } of transaction.checks) this.#fields.numberOf(key);
    }
    const readCount = this.#fields.keys.length;
    for (const encoded of this.#group) this.#add(encoded);
    const fields = this.#fields.keys;
    const times = [nowMs, requestKeptMs, requestKeptMs + REQUEST_SLACK_MS, changesKeptMax];
    return {
      requestKeys: this.#requests.keys.map((id) => keys.request(id)),
      plan: [...times, readCount, fields.length, this.#group.length, ...this.#plan],
      texts: [...fields, ...this.#texts],
    };
  }

  #add({ transaction, puts }: EncodedTransaction): void {
    const { leaderEpoch = null, request, checks, deletes, counters } = transaction;
    const plan = this.#plan;
    plan.push(leaderEpoch, request === undefined ? 0 : this.#requests.numberOf(request.id));
    plan.push(checks.length, puts.length, deletes.length, counters.length);
    for (const { key, revision } of checks) {
      plan.push(this.#fields.numberOf(key), expected(revision));
    }
    for (const { key, text } of puts) {
      plan.push(this.#fields.numberOf(key));
      this.#texts.push(text);
    }
    for (const key of deletes) plan.push(this.#fields.numberOf(key));
    for (const { key, delta, max = null } of counters) {
      plan.push(this.#fields.numberOf(counterField(key)), delta, max);
    }
    if (request !== undefined) {
      this.#texts.push(JSON.stringify(request.body), JSON.stringify(request.answer));
    }
  }
}

/** The script says 0 for a record that is absent; no record has a revision below 1. */
function expected(revision: number | "absent"): number {
  if (revision === "absent") return 0;
  return revision > 0 ? revision : -1;
}
