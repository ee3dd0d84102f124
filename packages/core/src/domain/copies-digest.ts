/**
 * A digest of what runs on a node: agent and leader compare it with each heartbeat, so that a
 * change that was never told, or was told and not taken, is found.
 */
import type { CopyReport } from "./assignment.js";
import { FNV_BASIS, fnv1a } from "./fnv1a.js";

/** Of the second half: another start, so that both halves together are 64 bits. */
const SECOND_BASIS = 0x9747b28c;

export const COPIES_DIGEST = /^[0-9a-f]{16}$/;

/** 16 hexadecimal digits; the order does not matter, and copies that are gone do not count. */
export function copiesDigest(copies: Iterable<CopyReport>): string {
  let [first, second] = [0, 0];
  for (const copy of copies) {
    if (copy.state === "absent") continue;
    const text = essenceOf(copy);
    first = (first + fnv1a(text, FNV_BASIS)) >>> 0;
    second = (second + fnv1a(text, SECOND_BASIS)) >>> 0;
  }
  return hex(first) + hex(second);
}

/** What a leader acts on; progress changes all the time and is told as it comes. */
function essenceOf(copy: CopyReport): string {
  const { guestUid, epoch, intent, generation, state, restartCount } = copy;
  return [guestUid, epoch, intent, generation, state, restartCount].join(" ");
}

function hex(word: number): string {
  return word.toString(16).padStart(8, "0");
}
