/**
 * The store, mirrored in memory: reads are served from here. Follows `snapshot` + `changes`.
 *
 * R1 The mirror is always some revision of the store, never a mixture of two.
 * R2 Allocation per node and usage per project equal the sums over the guests it holds.
 */
import {
  type ChangeBatch,
  type Clock,
  type ControllerRecord,
  type Guest,
  guestKey,
  type Image,
  kindOf,
  NO_RESOURCES,
  type NodeRecord,
  type Operation,
  type Project,
  type RecordKey,
  type RecordValue,
  type Resources,
  type Revision,
  recordKey,
  type StateStore,
  type StoreSnapshot,
  type Usage,
  unavailable,
} from "@innkeeper/core";
import { addPlacements, addUsage, addUsages, NO_USAGE } from "./accounting.js";
import { GuestIndex } from "./guest-index.js";

export interface Versioned<V> {
  readonly value: V;
  readonly revision: Revision;
}

export type MirrorListener = (
  batch: ChangeBatch,
  before: readonly (RecordValue | undefined)[],
) => void;

export class Mirror {
  #revision: Revision = 0;
  readonly #records = new Map<RecordKey, Versioned<RecordValue>>();
  readonly #keysByKind = new Map<string, Set<RecordKey>>();
  readonly #index = new GuestIndex();
  readonly #allocated = new Map<string, Resources>();
  /** By project, without those below. */
  readonly #usage = new Map<string, Usage>();
  readonly #children = new Map<string, Set<string>>();
  readonly #listeners = new Set<MirrorListener>();
  readonly #waiters = new Set<{ revision: Revision; wake: () => void }>();

  get revision(): Revision {
    return this.#revision;
  }

  guest(projectId: string, id: string): Versioned<Guest> | undefined {
    return this.#get<Guest>(guestKey({ projectId, id }));
  }

  guestByUid(uid: string): Versioned<Guest> | undefined {
    const key = this.#index.keyOf(uid);
    return key === undefined ? undefined : this.#get<Guest>(key);
  }

  /** The guests that came in one gang, those that are still there. */
  gang(gangId: string): readonly Versioned<Guest>[] {
    const uids = [...this.#index.inGang(gangId)];
    return uids.map((uid) => this.guestByUid(uid)).filter((found) => found !== undefined);
  }

  /** Uids of guests that are placed there, or are on their way there or away. */
  guestsOn(nodeId: string): Iterable<string> {
    return this.#index.onNode(nodeId);
  }

  /** Uids of guests that hold nothing of any node. */
  guestsWithoutPlace(): Iterable<string> {
    return this.#index.withoutPlace;
  }

  project(id: string): Versioned<Project> | undefined {
    return this.#get<Project>(recordKey("project", id));
  }

  node(id: string): Versioned<NodeRecord> | undefined {
    return this.#get<NodeRecord>(recordKey("node", id));
  }

  image(id: string): Versioned<Image> | undefined {
    return this.#get<Image>(recordKey("image", id));
  }

  operation(id: string): Versioned<Operation> | undefined {
    return this.#get<Operation>(recordKey("operation", id));
  }

  controller(id: string): Versioned<ControllerRecord> | undefined {
    return this.#get<ControllerRecord>(recordKey("controller", id));
  }

  controllers(): ControllerRecord[] {
    return this.#all<ControllerRecord>("controller");
  }

  guests(): Guest[] {
    return this.#all<Guest>("guest");
  }

  projects(): Project[] {
    return this.#all<Project>("project");
  }

  nodes(): NodeRecord[] {
    return this.#all<NodeRecord>("node");
  }

  images(): Image[] {
    return this.#all<Image>("image");
  }

  operations(): Operation[] {
    return this.#all<Operation>("operation");
  }

  /** Sum of the allocations on a node, reservations of migrations included. */
  allocatedOn(nodeId: string): Resources {
    return this.#allocated.get(nodeId) ?? NO_RESOURCES;
  }

  /** What the guests of a project and of all projects below it take. */
  usageOf(projectId: string): Usage {
    let sum = this.#usage.get(projectId) ?? NO_USAGE;
    for (const child of this.#children.get(projectId) ?? []) {
      sum = addUsages(sum, this.usageOf(child));
    }
    return sum;
  }

  /** Called after each commit is mirrored, with the values that were there before. */
  subscribe(listener: MirrorListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when the mirror has seen the revision. @throws `unavailable` after the time is up. */
  async waitFor(revision: Revision, limit: { clock: Clock; timeoutMs: number }): Promise<void> {
    if (this.#revision >= revision) return;
    await new Promise<void>((resolve, reject) => {
      const cancel = limit.clock.schedule(limit.timeoutMs, () => {
        this.#waiters.delete(waiter);
        reject(behind(revision, this.#revision));
      });
      const wake = (): void => {
        cancel();
        resolve();
      };
      const waiter = { revision, wake };
      this.#waiters.add(waiter);
    });
  }

  /** Loads a snapshot; must come before `follow`. */
  async load(store: {
    snapshot(): Promise<Pick<StoreSnapshot, "revision" | "records">>;
  }): Promise<void> {
    const snapshot = await store.snapshot();
    for (const record of snapshot.records) {
      this.#set(record.key, { value: record.value, revision: record.revision });
    }
    this.#revision = snapshot.revision;
  }

  /** Follows the store until the signal aborts. */
  async follow(store: StateStore, signal: AbortSignal): Promise<void> {
    for await (const batch of store.changes(this.#revision, signal)) {
      if (batch === "compacted")
        throw unavailable("store", "its change log is shorter than our lag");
      this.#apply(batch);
    }
  }

  /**
   * After `follow` failed: takes a new snapshot; listeners hear of the difference as one change.
   */
  async resync(store: StateStore, atMs: number): Promise<void> {
    const { revision, records } = await store.snapshot();
    if (revision === this.#revision) return;
    const now = new Map(records.map((each) => [each.key, each]));
    const gone = [...this.#records.keys()].filter((key) => !now.has(key));
    const changed = records.filter(
      (each) => this.#records.get(each.key)?.revision !== each.revision,
    );
    const changes = [
      ...gone.map((key) => ({ key, value: undefined })),
      ...changed.map(({ key, value }) => ({ key, value })),
    ];
    this.#apply({ revision, atMs, changes }, (key) => now.get(key)?.revision ?? revision);
  }

  #apply(batch: ChangeBatch, revisionOf = (_: RecordKey): Revision => batch.revision): void {
    const before = batch.changes.map(({ key, value }) => {
      const previous = this.#records.get(key)?.value;
      if (value === undefined) this.#delete(key);
      else this.#set(key, { value, revision: revisionOf(key) });
      return previous;
    });
    this.#revision = batch.revision;
    for (const listener of this.#listeners) listener(batch, before);
    this.#wakeWaiters();
  }

  #wakeWaiters(): void {
    for (const waiter of this.#waiters) {
      if (waiter.revision > this.#revision) continue;
      this.#waiters.delete(waiter);
      waiter.wake();
    }
  }

  #set(key: RecordKey, record: Versioned<RecordValue>): void {
    this.#account(key, this.#records.get(key)?.value, record.value);
    this.#records.set(key, record);
    const kind = kindOf(key);
    const keys = this.#keysByKind.get(kind);
    if (keys) keys.add(key);
    else this.#keysByKind.set(kind, new Set([key]));
  }

  #delete(key: RecordKey): void {
    this.#account(key, this.#records.get(key)?.value, undefined);
    this.#records.delete(key);
    this.#keysByKind.get(kindOf(key))?.delete(key);
  }

  #account(key: RecordKey, before: RecordValue | undefined, after: RecordValue | undefined): void {
    if (kindOf(key) === "project" && after) this.#adopt(after as Project);
    if (kindOf(key) !== "guest") return;
    const [old, now] = [before as Guest | undefined, after as Guest | undefined];
    if (old) {
      addPlacements(this.#allocated, old, -1);
      addUsage(this.#usage, old, -1);
      this.#index.remove(old);
    }
    if (now) {
      addPlacements(this.#allocated, now, 1);
      addUsage(this.#usage, now, 1);
      this.#index.add(key, now);
    }
  }

  /** A project keeps its parent for good. */
  #adopt({ id, parentId }: Project): void {
    if (parentId === undefined) return;
    const children = this.#children.get(parentId) ?? new Set();
    this.#children.set(parentId, children.add(id));
  }

  #get<V extends RecordValue>(key: RecordKey): Versioned<V> | undefined {
    return this.#records.get(key) as Versioned<V> | undefined;
  }

  #all<V extends RecordValue>(kind: string): V[] {
    const keys = this.#keysByKind.get(kind) ?? [];
    return [...keys].map((key) => this.#records.get(key)?.value as V);
  }
}

function behind(wanted: Revision, seen: Revision) {
  return unavailable("mirror", `revision ${wanted} is not here yet, newest is ${seen}`);
}
