/**
 * Every NATS subject. A subject is built here or nowhere, of tokens that cannot hold a dot, a
 * wildcard or a space.
 */
import { DomainError } from "../../domain/errors.js";

const ROOT = "innkeeper.v1";
const TOKEN = /^[a-z0-9_-]{1,64}$/;
/** Stands for "no project": not a name that a project can have. */
const NO_PROJECT = "_";

export const NODE_REPORTS = `${ROOT}.node.*.report`;
export const EVENTS = `${ROOT}.event.>`;

/** Request: `ReportNodeRequest`; answer: `ReportNodeResponse`. Served by the leader. */
export function nodeReportSubject(nodeId: string): string {
  return `${ROOT}.node.${token(nodeId)}.report`;
}

/** The node that a report's subject names: what the sender was allowed to publish as. */
export function nodeOfReport(subject: string): string {
  return subject.split(".")[3] ?? "";
}

/** Kept in the stream of events. */
export function eventSubject(event: {
  readonly subjectKind: string;
  readonly projectId: string;
  readonly subjectId: string;
}): string {
  const project = event.projectId === "" ? NO_PROJECT : token(event.projectId);
  return `${ROOT}.event.${token(event.subjectKind)}.${project}.${token(event.subjectId)}`;
}

/** A hint: look at this guest again. Holds the revision in decimal. */
export function guestChangedSubject(guestUid: string): string {
  return `${ROOT}.guest.${token(guestUid)}.changed`;
}

function token(value: string): string {
  if (TOKEN.test(value)) return value;
  throw new DomainError({
    kind: "internal",
    reason: "BAD_SUBJECT_TOKEN",
    message: `${JSON.stringify(value.slice(0, 64))} cannot be part of a NATS subject`,
    metadata: { value: value.slice(0, 64) },
  });
}
