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

/** Of the keys whose name is one id: all kinds but guests. */
export function idOf(key: RecordKey): string {
  return key.slice(key.indexOf("/") + 1);
}

export function nodeCounter(nodeId: string, kind: ResourceKind): string {
  return `node/${nodeId}/${kind}`;
}

/** 1 while a guest on the node holds this port, such as `tcp/2222`. */
export function portCounter(nodeId: string, port: string): string {
  return `node/${nodeId}/port/${port}`;
}

const CLAIMS = "claim/";

/** 1 while a guest of the cluster has this address or port. */
export function claimCounter(claim: string): string {
  return `${CLAIMS}${claim}`;
}

export function isClaim(counter: string): boolean {
  return counter.startsWith(CLAIMS);
}

/** Counts the guests that use an image, so that no image goes while a guest comes. */
export function imageCounter(imageId: string): string {
  return `image/${imageId}/guests`;
}

export function quotaCounter(projectId: string, kind: QuotaKind): string {
  return `project/${projectId}/${kind}`;
}
