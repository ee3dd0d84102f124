/**
 * Bugs put in on purpose, one for each invariant, to prove that the checkers look (the canaries).
 * Each stands at a seam between parts: it changes what goes through a port.
 */
import type {
  AgentDirectory,
  AgentJournal,
  ApplyAssignments,
  CommitResult,
  CopyReport,
  GuestAssignment,
  JournalEntry,
  StateStore,
  Transaction,
} from "@innkeeper/core";

export const PLANTED_BUGS = {
  "incoming-copies-boot": "I1",
  "allocations-are-not-released": "I2",
  "quota-is-not-released": "I3",
  "journals-go-back": "I4",
  "mutations-are-dropped": "I5",
  "stopping-counts-as-stopped": "I6",
  "removals-are-not-sent": "I7",
} as const;
export type PlantedBug = keyof typeof PLANTED_BUGS;

export function plantInStore(bug: PlantedBug | undefined, store: StateStore): StateStore {
  const damage = bug === undefined ? undefined : STORE_DAMAGE[bug];
  if (damage === undefined) return store;
  const commitAll = async (asked: readonly Transaction[]): Promise<readonly CommitResult[]> => {
    const kept = asked.map(damage);
    const results: CommitResult[] = [];
    for (const each of kept) {
      if (each !== undefined) results.push(await store.commit(each));
      else results.push({ isCommitted: true, revision: 0, replayedAnswer: undefined });
    }
    return results;
  };
  return {
    commitAll,
    commit: async (asked) => (await commitAll([asked]))[0] as CommitResult,
    snapshot: () => store.snapshot(),
    changes: (after, signal) => store.changes(after, signal),
    oldestRevision: () => store.oldestRevision(),
    findRequest: (id) => store.findRequest(id),
    close: () => store.close(),
  };
}

const STORE_DAMAGE: Partial<
  Readonly<Record<PlantedBug, (asked: Transaction) => Transaction | undefined>>
> = {
  "allocations-are-not-released": (asked) => withoutReleases(asked, "node/"),
  "quota-is-not-released": (asked) => withoutReleases(asked, "project/"),
  "mutations-are-dropped": (asked) => (asked.request === undefined ? asked : undefined),
};

function withoutReleases(asked: Transaction, prefix: string): Transaction {
  const isKept = ({ key, delta }: Transaction["counters"][number]): boolean =>
    delta > 0 || !key.startsWith(prefix);
  return { ...asked, counters: asked.counters.filter(isKept) };
}

export function plantInAgents(bug: PlantedBug | undefined, agents: AgentDirectory): AgentDirectory {
  const damage = bug === undefined ? undefined : AGENT_DAMAGE[bug];
  if (damage === undefined) return agents;
  return {
    clientFor: (address) => {
      const client = agents.clientFor(address);
      return {
        apply: async (request: ApplyAssignments) => {
          const assignments = request.assignments.flatMap(damage.order ?? ((each) => [each]));
          const reports = await client.apply({ ...request, assignments });
          return reports.map(damage.report ?? ((each) => each));
        },
        readConsole: (uid, offset, bytesMax) => client.readConsole(uid, offset, bytesMax),
        writeConsole: (writer, input, signal) => client.writeConsole(writer, input, signal),
        exec: (uid, request, signal) => client.exec(uid, request, signal),
        exportDisk: (uid, moment, signal) => client.exportDisk(uid, moment, signal),
        close: () => client.close(),
      };
    },
  };
}

interface AgentDamage {
  readonly order?: (order: GuestAssignment) => readonly GuestAssignment[];
  readonly report?: (report: CopyReport) => CopyReport;
}

const AGENT_DAMAGE: Partial<Readonly<Record<PlantedBug, AgentDamage>>> = {
  "incoming-copies-boot": {
    order: (order) => [order.desired === "incoming" ? { ...order, desired: "running" } : order],
  },
  "stopping-counts-as-stopped": { report: stoppedTooEarly },
  "removals-are-not-sent": { order: (order) => (order.desired === "absent" ? [] : [order]) },
};

/** A journal that keeps an older intent than it was given, every other time. */
export function plantInJournal(bug: PlantedBug | undefined, journal: AgentJournal): AgentJournal {
  if (bug !== "journals-go-back") return journal;
  return {
    load: () => journal.load(),
    put: (entries) => journal.put(entries.map(olderEveryOther)),
    putLeaderEpoch: (epoch) => journal.putLeaderEpoch(epoch),
    drop: (uids) => journal.drop(uids),
    close: () => journal.close(),
  };
}

function olderEveryOther(entry: JournalEntry): JournalEntry {
  const { assignment } = entry;
  const intent = assignment.intent - (assignment.intent % 2 === 0 ? 2 : 0);
  return { ...entry, assignment: { ...assignment, intent } };
}

/** For agents that report by themselves, too. */
export function plantInReport(bug: PlantedBug | undefined, report: CopyReport): CopyReport {
  return bug === "stopping-counts-as-stopped" ? stoppedTooEarly(report) : report;
}

function stoppedTooEarly(report: CopyReport): CopyReport {
  return report.state === "stopping" ? { ...report, state: "stopped" } : report;
}
