/**
 * Live migration, step by step (ARCHITECTURE.md, "Migration"). The guest record is the one point of
 * decision:
 *
 * `copying`   the source owns the guest; the target receives, its CPUs never run. Anything that
 *             fails leads to `reverting`.
 * `switching` committed when the whole state has arrived and both copies stand still; from here
 *             the target owns it.
 * `reverting` the target's copy is removed, the source runs on.
 *
 * M1 `switching` and `reverting` exclude each other: both are compare-and-set of the same record,
 *    so at most one copy is ever told to run (I1).
 * M2 While `copying`, nobody is told `running`: a late message cannot wake the source after it was
 *    sent.
 * M3 It begins when its nodes have a move to spare: `copying` first waits for its turn.
 */
import type { CopyReport } from "../domain/assignment.js";
import type { ErrorDetail } from "../domain/errors.js";
import { type Guest, type Migration, takenBy } from "../domain/guest.js";
import { migrationPolicyOf } from "../domain/migration-policy.js";
import type { Operation } from "../domain/operation.js";
import { assignmentFor } from "./assignment-for.js";
import { withActual } from "./forecast-migration.js";
import {
  type GuestPlan,
  type GuestView,
  IDLE,
  type NodeAssignment,
  withNewIntent,
} from "./guest-view.js";
import { observeCopy } from "./observe-copy.js";
import { endOperation, releaseOperation } from "./settle-operation.js";

export function planMigration(view: GuestView, migration: Migration): GuestPlan {
  switch (migration.step) {
    case "copying":
      return planCopying(view, migration);
    case "switching":
      return planSwitching(view, migration);
    case "reverting":
      return planReverting(view, migration);
  }
}

function planCopying(view: GuestView, migration: Migration): GuestPlan {
  const source = view.copyOn(migration.sourceNodeId);
  const target = view.copyOn(migration.target.nodeId);
  const problem = findProblem(view, migration, { source, target });
  if (problem !== undefined) return revert(view, migration, problem);
  if (migration.isQueued) return planQueued(view, migration);
  if (source?.state === "sent" && target?.state === "received") return switchOver(view, migration);
  const late = timedOut(view, migration, source);
  if (late !== undefined) return revert(view, migration, late);
  if (!hasTaken(view, migration.target.nodeId)) {
    const isSynced = view.linkOf(migration.target.nodeId) === "synced";
    return isSynced ? act([incoming(view, migration)]) : IDLE;
  }
  return planSending(view, migration, target?.incomingUri);
}

/** Nothing is sent to anybody before it has its turn; its time counts from then (M3). */
function planQueued(view: GuestView, migration: Migration): GuestPlan {
  const { guest, operation, nowMs } = view;
  if (view.mayBeginMove()) {
    const begun = { ...migration, isQueued: undefined, startedAtMs: nowMs };
    return write(view, { ...guest, status: { ...guest.status, migration: begun } });
  }
  const message = `waits: ${migration.sourceNodeId} or ${migration.target.nodeId} has other moves`;
  if (operation === undefined || operation.message === message) return IDLE;
  const told = { ...operation, message, updatedAtMs: nowMs };
  return { do: "write", guest, operation: told, releases: [] };
}

/** Tells the source to send once it is known where to, then follows its reports. */
function planSending(view: GuestView, migration: Migration, uri: string | undefined): GuestPlan {
  const { sourceNodeId } = migration;
  const isSynced = view.linkOf(sourceNodeId) === "synced";
  if (uri !== undefined && isSynced && !hasTaken(view, sourceNodeId)) {
    return act([sending(view, migration, uri)]);
  }
  return reportProgress(view, view.copyOn(sourceNodeId));
}

/** What makes the migration impossible, if anything does. */
function findProblem(
  view: GuestView,
  migration: Migration,
  copies: { source: CopyReport | undefined; target: CopyReport | undefined },
): ErrorDetail | undefined {
  const { source, target } = copies;
  if (view.operation?.isCancelRequested) return problem("cancelled", "CANCELLED", "cancelled");
  if (view.linkOf(migration.target.nodeId) === "unreachable") {
    return problem("unavailable", "TARGET_UNREACHABLE", "the target node does not answer");
  }
  if (target !== undefined && target.intent >= view.guest.intent) {
    if (HAS_ENDED.includes(target.state)) return target.error ?? targetEnded();
  }
  return source === undefined ? undefined : findSourceProblem(view, source);
}

/** Until it is told to send, the source must run; then it must send. */
function findSourceProblem(view: GuestView, source: CopyReport): ErrorDetail | undefined {
  if (source.intent < view.guest.intent) {
    return source.state === "running" ? undefined : sourceEnded(source);
  }
  return IS_SENDING.includes(source.state) ? undefined : (source.error ?? sourceEnded(source));
}

const IS_SENDING: readonly CopyReport["state"][] = ["taken", "sending", "sent"];
const HAS_ENDED: readonly CopyReport["state"][] = ["failed", "stopped", "absent"];

/** Says how far it came, if that is known. */
function timedOut(
  view: GuestView,
  { startedAtMs }: Migration,
  source: CopyReport | undefined,
): ErrorDetail | undefined {
  const { timeoutMs } = migrationPolicyOf(view.guest.spec);
  if (view.nowMs - startedAtMs < timeoutMs) return undefined;
  const left = source?.migration?.remainingBytes;
  const rest = left === undefined ? "nothing was sent" : `${mib(left)} MiB were left`;
  return {
    kind: "unavailable",
    reason: "MIGRATION_TIMED_OUT",
    message: `not done within ${timeoutMs} ms: ${rest}`,
    metadata: { timeoutMs: String(timeoutMs), ...(left && { remainingBytes: String(left) }) },
  };
}

function mib(bytes: number): number {
  return Math.ceil(bytes / 1024 ** 2);
}

function targetEnded(): ErrorDetail {
  return problem("unavailable", "TARGET_FAILED", "the target's copy ended");
}

function sourceEnded(source: CopyReport): ErrorDetail {
  const message = source.lastExit?.message ?? source.state;
  return problem(
    "precondition",
    "SOURCE_ENDED",
    `the guest stopped running while copying: ${message}`,
  );
}

function problem(kind: ErrorDetail["kind"], reason: string, message: string): ErrorDetail {
  return { kind, reason, message, metadata: {} };
}

function incoming(view: GuestView, { target }: Migration): NodeAssignment {
  return {
    nodeId: target.nodeId,
    assignment: assignmentFor(view, { placement: target, desired: "incoming" }),
  };
}

function sending(view: GuestView, migration: Migration, uri: string): NodeAssignment {
  const { slowdownPercentMax } = migrationPolicyOf(view.guest.spec);
  const migrateTo = { uri, downtimeMsMax: migration.downtimeMsMax, slowdownPercentMax };
  const placement = { ...migration.target, epoch: migration.sourceEpoch };
  return {
    nodeId: migration.sourceNodeId,
    assignment: assignmentFor(view, { placement, desired: "sending", migrateTo }),
  };
}

/** The point of no return. */
function switchOver(view: GuestView, migration: Migration): GuestPlan {
  const { guest } = view;
  const status = {
    ...guest.status,
    placement: migration.target,
    migration: { ...migration, step: "switching" as const },
  };
  return write(view, withNewIntent({ ...guest, status }));
}

/** The operation with what the source told last. */
function withFigures({ operation, guest, copyOn }: GuestView): Operation | undefined {
  const progress = copyOn(guest.status.migration?.sourceNodeId ?? "")?.migration;
  return operation && progress ? { ...operation, migration: progress } : operation;
}

function revert(view: GuestView, migration: Migration, error: ErrorDetail): GuestPlan {
  const { guest } = view;
  const reverting = { ...migration, isQueued: undefined, step: "reverting" as const, error };
  return write(
    view,
    withNewIntent({ ...guest, status: { ...guest.status, migration: reverting } }),
  );
}

function planSwitching(view: GuestView, migration: Migration): GuestPlan {
  const { sourceNodeId, sourceEpoch, target } = migration;
  const copy = view.copyOn(target.nodeId);
  const orders: NodeAssignment[] = [];
  if (!hasTaken(view, target.nodeId)) {
    orders.push({
      nodeId: target.nodeId,
      assignment: assignmentFor(view, { placement: target, desired: view.guest.spec.desired }),
    });
  }
  // Ending the source takes time that a guest which stands still would wait for.
  const isTargetTold = hasTaken(view, target.nodeId) || view.linkOf(target.nodeId) !== "synced";
  if (isTargetTold && !hasTaken(view, sourceNodeId)) {
    orders.push(absent(view, sourceNodeId, { ...target, epoch: sourceEpoch }));
  }
  const isOver = isLetGo(view, sourceNodeId) || view.linkOf(sourceNodeId) === "unreachable";
  const observed =
    copy && hasTaken(view, target.nodeId) ? observeCopy(view.guest, copy) : undefined;
  // It is moved when it runs there: another move may begin then.
  const isThere = observed?.status.phase !== "MIGRATING" && copy?.state !== "starting";
  if (isOver && observed !== undefined && isThere) {
    return finish(view, { guest: observed, releaseNodeId: sourceNodeId, error: undefined });
  }
  return act(orders.filter(({ nodeId }) => view.linkOf(nodeId) === "synced"));
}

function planReverting(view: GuestView, migration: Migration): GuestPlan {
  const { sourceNodeId, sourceEpoch, target, error } = migration;
  const source = { ...target, epoch: sourceEpoch };
  const orders: NodeAssignment[] = [];
  if (!hasTaken(view, sourceNodeId)) {
    orders.push({
      nodeId: sourceNodeId,
      assignment: assignmentFor(view, { placement: source, desired: view.guest.spec.desired }),
    });
  }
  if (!hasTaken(view, target.nodeId)) orders.push(absent(view, target.nodeId, target));
  const copy = view.copyOn(sourceNodeId);
  const isOver = isLetGo(view, target.nodeId) || view.linkOf(target.nodeId) === "unreachable";
  const observed = copy && hasTaken(view, sourceNodeId) ? observeCopy(view.guest, copy) : undefined;
  if (isOver && observed !== undefined && observed.status.phase !== "MIGRATING") {
    return finish(view, { guest: observed, releaseNodeId: target.nodeId, error });
  }
  return act(orders.filter(({ nodeId }) => view.linkOf(nodeId) === "synced"));
}

function absent(view: GuestView, nodeId: string, placement: Migration["target"]): NodeAssignment {
  return { nodeId, assignment: assignmentFor(view, { placement, desired: "absent" }) };
}

function hasTaken(view: GuestView, nodeId: string): boolean {
  const copy = view.copyOn(nodeId);
  return copy !== undefined && copy.intent >= view.guest.intent;
}

function isLetGo(view: GuestView, nodeId: string): boolean {
  return hasTaken(view, nodeId) && view.copyOn(nodeId)?.state === "absent";
}

function finish(
  view: GuestView,
  end: { guest: Guest; releaseNodeId: string; error: ErrorDetail | undefined },
): GuestPlan {
  const { nowMs } = view;
  const { startedAtMs = nowMs } = view.guest.status.migration ?? {};
  const told = withFigures(view);
  const { error, releaseNodeId } = end;
  const operation = told && error === undefined ? withActual(told, nowMs - startedAtMs) : told;
  const moved = { ...end.guest, status: { ...end.guest.status, migration: undefined } };
  // What a node may still have that did not answer must be older than the record, to be told to go.
  const guest = isLetGo(view, releaseNodeId) ? moved : withNewIntent(moved);
  const to = guest.status.placement?.nodeId ?? "";
  const isCancelled = error?.kind === "cancelled";
  const ended =
    operation &&
    (error === undefined
      ? endOperation(operation, { state: "succeeded", message: `moved to ${to}`, nowMs })
      : endOperation(operation, { state: isCancelled ? "cancelled" : "failed", error, nowMs }));
  const releases = [{ nodeId: releaseNodeId, resources: takenBy(guest) }];
  return { do: "write", guest: releaseOperation(guest, ended), operation: ended, releases };
}

/** Keeps the operation's progress current, at most once for each report. */
function reportProgress(view: GuestView, source: CopyReport | undefined): GuestPlan {
  const { operation, guest, nowMs } = view;
  const progress = source?.migration;
  if (operation === undefined || progress === undefined) return IDLE;
  if (operation.migration?.transferredBytes === progress.transferredBytes) return IDLE;
  const message = "copying memory";
  const updated = { ...operation, migration: progress, message, updatedAtMs: nowMs };
  return { do: "write", guest, operation: updated, releases: [] };
}

function act(assignments: readonly NodeAssignment[]): GuestPlan {
  return assignments.length === 0 ? IDLE : { do: "act", assignments };
}

function write(view: GuestView, guest: Guest): GuestPlan {
  return { do: "write", guest, operation: view.operation, releases: [] };
}
