/** What many requests share: request ids, pages, etags, default project. */
import { DEFAULT_PROJECT_ID, invalidField, parseName, parseUuid } from "@innkeeper/core";
import { parseInteger } from "@innkeeper/core/wire";
import type { GuestCommand } from "../commands/change-guest.js";

const PAGE_SIZE_DEFAULT = 50;
const PAGE_SIZE_MAX = 1000;
const ANY_REVISION = { min: 0, max: Number.MAX_SAFE_INTEGER };

export function parseRequestId(value: string): string {
  return value === "" ? "" : parseUuid("request_id", value);
}

export function parseProjectId(field: string, value: string): string {
  return value === "" ? DEFAULT_PROJECT_ID : parseName(field, value);
}

export interface NamedGuest {
  readonly projectId: string;
  readonly guestId: string;
}

export function parseGuestRef({ projectId, guestId }: NamedGuest): NamedGuest {
  return {
    projectId: parseProjectId("project_id", projectId),
    guestId: parseName("guest_id", guestId),
  };
}

export function parseMutation(request: NamedGuest & { requestId: string }): GuestCommand {
  return { ...parseGuestRef(request), requestId: parseRequestId(request.requestId) };
}

/** Empty stays empty: it means "any". */
export function parseOptionalName(field: string, value: string): string {
  return value === "" ? "" : parseName(field, value);
}

export function parseRevision(field: string, value: number): number {
  return parseInteger(field, value, ANY_REVISION);
}

/** Etags are revisions in decimal; empty = 0 = any. */
export function parseEtag(field: string, value: string): number {
  if (value === "") return 0;
  if (!/^[1-9][0-9]{0,15}$/.test(value))
    throw invalidField(field, value, "an etag from a response");
  return Number(value);
}

export function parsePageSize(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw invalidField("page_size", value, `0 (= ${PAGE_SIZE_DEFAULT}) to ${PAGE_SIZE_MAX}`);
  }
  return value === 0 ? PAGE_SIZE_DEFAULT : Math.min(value, PAGE_SIZE_MAX);
}

export interface Page<T> {
  readonly items: T[];
  readonly nextPageToken: string;
}

/**
 * One page of the items in order of their keys. The token is the last key of the page before, tied
 * to the query it came from, so that pages stay right while items come and go.
 */
export function pageOf<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  request: { readonly pageSize: number; readonly pageToken: string; readonly query?: string },
): Page<T> {
  const size = parsePageSize(request.pageSize);
  const query = request.query ?? "";
  const after = request.pageToken === "" ? undefined : decodeToken(request.pageToken, query);
  const sorted = [...items].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const from = after === undefined ? 0 : sorted.findIndex((item) => keyOf(item) > after);
  const page = from < 0 ? [] : sorted.slice(from, from + size);
  const last = page.at(-1);
  const isMore = from >= 0 && from + size < sorted.length && last !== undefined;
  return { items: page, nextPageToken: isMore ? encodeToken(keyOf(last), query) : "" };
}

function encodeToken(key: string, query: string): string {
  return Buffer.from(JSON.stringify(["v1", query, key])).toString("base64url");
}

function decodeToken(token: string, query: string): string {
  const refuse = () =>
    invalidField("page_token", token, "next_page_token of a response to the same query");
  try {
    const decoded: unknown = JSON.parse(Buffer.from(token, "base64url").toString());
    if (!Array.isArray(decoded) || decoded.length !== 3) throw refuse();
    const [version, forQuery, key] = decoded as unknown[];
    if (version !== "v1" || forQuery !== query || typeof key !== "string") throw refuse();
    return key;
  } catch {
    throw refuse();
  }
}
