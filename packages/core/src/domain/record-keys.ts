/** The keys of records and counters. No key is built anywhere else. */
import type { Guest } from "./guest.js";
import type { QuotaKind } from "./project.js";
import type { ResourceKind } from "./resources.js";

export type RecordKindName = "controller" | "project" | "node" | "guest" | "image" | "operation";

/** `kind/id`; ids are names (RFC 1123 labels) or UUIDs. A guest's id is `project/name`. */
export type RecordKey = `${RecordKindName}/${string}`;

export function guestKey(guest: Pick<Guest, "projectId" | "id">): RecordKey {
  return `guest/${guest.projectId}/${guest.id}`;
}

export function recordKey(kind: Exclude<RecordKindName, "guest">, id: string): RecordKey {
  return `${kind}/${id}`;
}

export function kindOf(key: RecordKey): RecordKindName {
  return key.slice(0, key.indexOf("/")) as RecordKindName;
}

export function nodeCounter(nodeId: string, kind: ResourceKind): string {
  return `node/${nodeId}/${kind}`;
}

/** Counts the guests that use an image, so that no image goes while a guest comes. */
export function imageCounter(imageId: string): string {
  return `image/${imageId}/guests`;
}

export function quotaCounter(projectId: string, kind: QuotaKind): string {
  return `project/${projectId}/${kind}`;
}
