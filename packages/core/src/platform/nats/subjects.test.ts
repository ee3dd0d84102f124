import { expect, it } from "vitest";
import {
  EVENTS,
  eventSubject,
  guestChangedSubject,
  NODE_REPORTS,
  nodeOfReport,
  nodeReportSubject,
} from "./subjects.js";

const UID = "0b5f9a9e-6a4e-4c53-9e62-1c1b9d7d6f10";

it("builds each subject as it is documented", () => {
  expect(nodeReportSubject("n1")).toBe("innkeeper.v1.node.n1.report");
  expect(guestChangedSubject(UID)).toBe(`innkeeper.v1.guest.${UID}.changed`);
  const event = { subjectKind: "guest", projectId: "acme", subjectId: "web-1" };
  expect(eventSubject(event)).toBe("innkeeper.v1.event.guest.acme.web-1");
  expect(eventSubject({ ...event, subjectKind: "node", projectId: "" })).toBe(
    "innkeeper.v1.event.node._.web-1",
  );
});

it("covers reports and events by their wildcards, and nothing else", () => {
  const event = eventSubject({ subjectKind: "node", projectId: "", subjectId: "n1" });
  expect(matches(NODE_REPORTS, nodeReportSubject("n1"))).toBe(true);
  expect(matches(NODE_REPORTS, event)).toBe(false);
  expect(matches(EVENTS, event)).toBe(true);
  expect(matches(EVENTS, guestChangedSubject(UID))).toBe(false);
});

it("tells which node a report's subject names", () => {
  expect(nodeOfReport(nodeReportSubject("n-17"))).toBe("n-17");
});

it.each(["", "a.b", "*", ">", "a b", "A", "ä", "a\n", "x".repeat(65)])(
  "refuses %j as a part of a subject",
  (token) => {
    const refused = expect.objectContaining({ reason: "BAD_SUBJECT_TOKEN" });
    expect(() => nodeReportSubject(token)).toThrow(refused);
    expect(() => guestChangedSubject(token)).toThrow(refused);
    const event = { subjectKind: "guest", projectId: "p", subjectId: token };
    expect(() => eventSubject(event)).toThrow(refused);
  },
);

function matches(pattern: string, subject: string): boolean {
  const parts = pattern.split(".").map((part) => ({ "*": "[^.]+", ">": ".+" })[part] ?? part);
  return new RegExp(`^${parts.join("\\.")}$`).test(subject);
}
