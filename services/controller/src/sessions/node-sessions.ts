/**
 * What the leader hears from the agents: one session for each agent process that has joined. In
 * memory only: after a restart every agent joins again and tells everything it has.
 *
 * N1 A node is `synced` only after a full report in its present session.
 * N2 A node is `unreachable` only after its lease and the margin have run out since the last report
 *    we answered.
 * N3 An answer to a command may overtake a report or be overtaken by one. It was made when the
 *    assignment was taken, so it never replaces a report of the same intent.
 * N4 A report that arrives after a newer one of the same process changes and renews nothing.
 * N5 After a report the copies known here have the digest that the report states, or the agent is
 *    asked for everything. Not compared when an answer may have overtaken the report.
 */
import {
  type Clock,
  type CopyReport,
  copiesDigest,
  type NodeLink,
  type NodeReport,
} from "@innkeeper/core";
import { UsageBoard } from "./usage-board.js";

export interface SessionConfig {
  readonly leaseTtlMs: number;
  /**
   * Added to the lease before a node is called unreachable: clock drift and a message on its way.
   */
  readonly leaseMarginMs: number;
}

interface Session {
  readonly incarnation: string;
  lastReportMs: number;
  lastSequence: number;
  isFull: boolean;
  /** An answer was taken after the newest report. */
  isAhead: boolean;
  wasAhead: boolean;
  readonly copies: Map<string, CopyReport>;
}

export class NodeSessions {
  readonly #sessions = new Map<string, Session>();
  readonly #startedMs: number;
  readonly usage: UsageBoard;

  constructor(
    private readonly clock: Clock,
    private readonly config: SessionConfig,
  ) {
    this.#startedMs = clock.monotonicMs();
    this.usage = new UsageBoard(clock);
  }

  open(nodeId: string, incarnation: string): void {
    const lastReportMs = this.clock.monotonicMs();
    const known = this.#sessions.get(nodeId);
    const lastSequence = known?.incarnation === incarnation ? known.lastSequence : 0;
    this.#sessions.set(nodeId, {
      incarnation,
      lastReportMs,
      lastSequence,
      isFull: false,
      isAhead: false,
      wasAhead: false,
      copies: new Map(),
    });
  }

  /** The guests whose reports changed, or undefined when the process is not known and must join. */
  report(report: NodeReport): string[] | undefined {
    const session = this.#sessions.get(report.nodeId);
    if (session === undefined || session.incarnation !== report.incarnation) return undefined;
    if (!session.isFull && !report.isFull) return undefined;
    if (report.sequence <= session.lastSequence) return [];
    session.lastSequence = report.sequence;
    session.lastReportMs = this.clock.monotonicMs();
    this.usage.take(report.nodeId, report.usage);
    const changed = take(session, report.copies, (known, copy) => copy.intent >= known.intent);
    if (report.isFull) changed.push(...forgetOthers(session, report.copies));
    session.isFull ||= report.isFull;
    session.wasAhead = session.isAhead;
    session.isAhead = false;
    return changed;
  }

  /** True when what is known here is not what the agent said it has (N5). */
  differsFrom({ nodeId, sequence, isFull, digest }: NodeReport): boolean {
    const session = this.#sessions.get(nodeId);
    if (session === undefined || session.lastSequence !== sequence) return false;
    if (isFull || session.wasAhead) return false;
    return copiesDigest(session.copies.values()) !== digest;
  }

  /**
   * Takes reports that came as an answer to a command (N3). The agent reports everything that
   * happens afterwards, so nothing is missed by dropping an answer.
   */
  record(nodeId: string, copies: readonly CopyReport[]): string[] {
    const session = this.#sessions.get(nodeId);
    if (session === undefined) return [];
    const changed = take(session, copies, (known, copy) => copy.intent > known.intent);
    session.isAhead ||= changed.length > 0;
    return changed;
  }

  copyOn(nodeId: string, guestUid: string): CopyReport | undefined {
    return this.#sessions.get(nodeId)?.copies.get(guestUid);
  }

  copiesOn(nodeId: string): readonly CopyReport[] {
    return [...(this.#sessions.get(nodeId)?.copies.values() ?? [])];
  }

  /**
   * The guest is deleted. What a node still has of it stays known until the node has removed it.
   */
  forgetGuest(guestUid: string): void {
    this.usage.forget(guestUid);
    for (const { copies } of this.#sessions.values()) {
      if (copies.get(guestUid)?.state === "absent") copies.delete(guestUid);
    }
  }

  linkOf(nodeId: string): NodeLink {
    const session = this.#sessions.get(nodeId);
    const silentMs = this.clock.monotonicMs() - (session?.lastReportMs ?? this.#startedMs);
    if (silentMs > this.config.leaseTtlMs + this.config.leaseMarginMs) return "unreachable";
    return session?.isFull ? "synced" : "unknown";
  }
}

function take(
  session: Session,
  copies: readonly CopyReport[],
  isNewer: (known: CopyReport, copy: CopyReport) => boolean,
): string[] {
  const changed: string[] = [];
  for (const copy of copies) {
    const known = session.copies.get(copy.guestUid);
    if (known !== undefined && !isNewer(known, copy)) continue;
    session.copies.set(copy.guestUid, copy);
    changed.push(copy.guestUid);
  }
  return changed;
}

function forgetOthers(session: Session, copies: readonly CopyReport[]): string[] {
  const present = new Set(copies.map((copy) => copy.guestUid));
  const gone = [...session.copies.keys()].filter((uid) => !present.has(uid));
  for (const uid of gone) session.copies.delete(uid);
  return gone;
}
