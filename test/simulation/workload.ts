/**
 * A client that sends commands at random and repeats those whose answer it did not get, under the
 * same request id.
 */
import {
  type DomainError,
  type GuestPhase,
  type GuestSpec,
  MIGRATION_POLICY_DEFAULTS,
  type NodeRecord,
  type Project,
  type Quota,
  type RecordValue,
  toDomainError,
} from "@innkeeper/core";
import { aGuest, type Prng, SeededIdSource } from "@innkeeper/core/testing";
import { cancelOperation } from "../../services/controller/src/commands/cancel-operation.js";
import { cloneGuest } from "../../services/controller/src/commands/clone-guest.js";
import { cordonNode } from "../../services/controller/src/commands/cordon-node.js";
import { createGuest } from "../../services/controller/src/commands/create-guest.js";
import { createGang } from "../../services/controller/src/commands/create-guests.js";
import {
  removeGuestDisk,
  setGuestDisk,
} from "../../services/controller/src/commands/data-disks.js";
import { deleteGuest } from "../../services/controller/src/commands/delete-guest.js";
import { drainNode } from "../../services/controller/src/commands/drain-node.js";
import { migrateGuest } from "../../services/controller/src/commands/migrate-guest.js";
import { setProjectQuota } from "../../services/controller/src/commands/projects.js";
import { rebalanceCluster } from "../../services/controller/src/commands/rebalance.js";
import { resizeGuest } from "../../services/controller/src/commands/resize-guest.js";
import { returnGuests } from "../../services/controller/src/commands/return-guests.js";
import { setRunState } from "../../services/controller/src/commands/set-run-state.js";
import {
  removeSnapshot,
  restoreSnapshot,
  takeSnapshot,
} from "../../services/controller/src/commands/snapshots.js";
import type { Controller } from "../../services/controller/src/controller.js";
import type { Acknowledged } from "./checkers/durable-mutations.js";
import { type Cluster, IMAGE_ID } from "./cluster.js";
import type { Endpoint } from "./network.js";
import { NODE_IDS, PROJECT_IDS } from "./scenario.js";

const GUEST_NAMES = ["g1", "g2", "g3", "g4", "g5", "g6", "g7", "g8"];
const ATTEMPTS_MAX = 4;
const TIMEOUT_MS = 2_500;

interface Command {
  readonly what: string;
  readonly run: (controller: Controller) => Promise<string>;
  /** The answer is the id of an operation. */
  readonly isOperation: boolean;
  readonly wasSet?: (value: RecordValue) => boolean;
}

/** How often each verb is drawn, compared with the others. */
const WEIGHTS = {
  create: 8,
  gang: 2,
  migrate: 12,
  delete: 2,
  start: 3,
  stop: 2,
  pause: 2,
  resume: 3,
  cancel: 2,
  resize: 6,
  disk: 3,
  snapshot: 4,
  restore: 2,
  clone: 3,
  quota: 1,
  cordon: 1,
  uncordon: 2,
  drain: 1,
  return: 1,
  rebalance: 1,
} as const;
type Verb = keyof typeof WEIGHTS;
const SNAPSHOT_NAMES = ["s", "t"];
const VERBS = (Object.keys(WEIGHTS) as Verb[]).flatMap((verb) =>
  Array.from({ length: WEIGHTS[verb] }, () => verb),
);

const SENSIBLE_CHANCE = 0.9;
const SENSIBLE_PHASE: Readonly<Partial<Record<Verb, GuestPhase>>> = {
  migrate: "RUNNING",
  pause: "RUNNING",
  resume: "PAUSED",
  resize: "RUNNING",
  disk: "RUNNING",
  snapshot: "RUNNING",
  restore: "RUNNING",
};

export class Workload {
  readonly #prng: Prng;
  readonly #ids: SeededIdSource;
  readonly #endpoint: Endpoint;
  #isOver = false;

  constructor(
    private readonly cluster: Cluster,
    private readonly onAcknowledged: (ack: Acknowledged) => void,
  ) {
    this.#prng = cluster.prng.fork();
    this.#ids = new SeededIdSource(this.#prng.fork());
    this.#endpoint = { name: "client", clock: cluster.clock.child() };
  }

  start(): void {
    const { clock, scenario } = this.cluster;
    clock.schedule(this.#prng.integer(1, 2 * scenario.commandEveryMs), () => {
      if (this.#isOver) return;
      void this.#send(this.#draw());
      this.start();
    });
  }

  stop(): void {
    this.#isOver = true;
  }

  async #send(command: Command): Promise<void> {
    const { trace, network, controllers } = this.cluster;
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
      const to = this.#prng.pick(controllers).id;
      const call = { from: this.#endpoint, to, what: command.what, timeoutMs: TIMEOUT_MS };
      const answer = await network.call(call, command.run).catch(toDomainError);
      if (typeof answer === "string") {
        trace.add(`acknowledged ${command.what}: ${answer}`);
        this.#acknowledge(command, answer);
        return;
      }
      trace.add(`refused ${command.what}: ${answer.reason}`);
      if (!mayRepeat(answer)) return;
    }
  }

  #acknowledge({ what, isOperation, wasSet }: Command, answer: string): void {
    this.onAcknowledged({ what, operationId: isOperation ? answer : undefined, wasSet });
  }

  #draw(): Command {
    const prng = this.#prng;
    const requestId = this.#ids.uuid();
    const verb = prng.pick(VERBS);
    const guest = { ...this.#pickGuest(verb), requestId };
    const what = `${verb} ${guest.projectId}/${guest.guestId}`;
    const isOperation = true;
    switch (verb) {
      case "create":
        return { what, isOperation, run: this.#creation(guest) };
      case "gang":
        return { what, isOperation, run: this.#gang(guest) };
      case "delete":
        return { what, isOperation, run: (controller) => deleteGuest(controller, guest) };
      case "migrate":
        return { what, isOperation, run: this.#migration(guest) };
      case "resize":
        return { what, isOperation, run: this.#resize(guest) };
      case "rebalance":
        return this.#rebalance(requestId);
      case "drain":
        return this.#drain(requestId);
      case "return":
        return this.#return(requestId);
      case "disk":
        return { what, isOperation, run: this.#disk(guest) };
      case "snapshot":
        return { what, isOperation, run: this.#snapshot(guest) };
      case "restore":
        return { what, isOperation, run: this.#restore(guest) };
      case "clone":
        return { what, isOperation, run: this.#clone(guest) };
      case "cancel":
        return this.#cancellation(requestId);
      case "quota":
        return this.#quota(requestId);
      case "cordon":
      case "uncordon":
        return this.#cordon(requestId, verb === "cordon");
      default:
        return { what, isOperation, run: (controller) => setRunState(controller, verb, guest) };
    }
  }

  /** Mostly a guest with which the verb makes sense. */
  #pickGuest(verb: Verb): { projectId: string; guestId: string } {
    const phase = SENSIBLE_PHASE[verb];
    const guests = this.cluster.records.guests();
    const all = PROJECT_IDS.flatMap((projectId) =>
      GUEST_NAMES.map((guestId) => ({ projectId, guestId })),
    );
    const sensible = all.filter((name) => {
      const found = guests.find(
        ({ id, projectId }) => id === name.guestId && projectId === name.projectId,
      );
      if (verb === "create") return found === undefined;
      return found !== undefined && (phase === undefined || found.status.phase === phase);
    });
    const isSensible = sensible.length > 0 && this.#prng.chance(SENSIBLE_CHANCE);
    return this.#prng.pick(isSensible ? sensible : all);
  }

  #creation(guest: { projectId: string; guestId: string; requestId: string }): Command["run"] {
    const { projectId, guestId: id, requestId } = guest;
    const spec = this.#spec();
    const labels = { app: this.#prng.pick(["a", "b"]) };
    return (controller) => createGuest(controller, { projectId, id, requestId, labels, spec });
  }

  /** The answer is the operation of the first of them. */
  #gang(guest: { projectId: string; guestId: string; requestId: string }): Command["run"] {
    const { projectId, guestId, requestId } = guest;
    const others = this.#prng.shuffle(GUEST_NAMES.filter((name) => name !== guestId));
    const names = [guestId, ...others.slice(0, this.#prng.integer(1, 2))];
    const guests = names.map((id) => ({ projectId, id, labels: {}, spec: this.#spec() }));
    return async (controller) => (await createGang(controller, guests, requestId))[0] ?? "";
  }

  /** Few ports of many guests: they clash. */
  #forwards(): Pick<GuestSpec, "forwards"> {
    const hostPort = this.#prng.pick([undefined, undefined, 0, 2222]);
    if (hostPort === undefined) return {};
    return { forwards: [{ protocol: "tcp", hostPort, guestPort: 22 }] };
  }

  /** Mostly as admission allows it. */
  #preemption(diskMib: number): Pick<GuestSpec, "priority" | "isPreemptible" | "disruptionBudget"> {
    const downMax = this.#prng.pick([undefined, undefined, undefined, 0, 1, 2]);
    const guestLabel = { key: "app", value: this.#prng.pick(["a", "b"]) };
    const isPreemptible = this.#prng.chance(diskMib === 0 ? 0.8 : 0.05);
    return {
      priority: this.#prng.pick([0, 0, 1, 5]),
      ...(isPreemptible && { isPreemptible }),
      ...(downMax !== undefined && { disruptionBudget: { guestLabel, downMax } }),
    };
  }

  #spec(): GuestSpec {
    const prng = this.#prng;
    const { spec } = aGuest({
      cpuMillis: prng.pick([250, 500, 1000]),
      memoryMib: prng.pick([128, 256, 512]),
      diskMib: prng.pick([0, 0, 0, 100]),
    });
    return {
      ...spec,
      imageId: IMAGE_ID,
      ...this.#forwards(),
      ...this.#preemption(spec.resources.diskMib),
      mode: prng.pick(["auto", "hybrid", "paravirt"]),
      desired: prng.pick(["running", "running", "running", "paused", "stopped"]),
      nodeId: prng.chance(0.1) ? prng.pick(NODE_IDS) : "",
      stopTimeoutMs: prng.pick([0, 1_000, 5_000]),
      migrationPolicy: {
        ...MIGRATION_POLICY_DEFAULTS,
        timeoutMs: prng.pick([1_000, 10_000, 600_000]),
      },
      restartPolicy: {
        when: prng.pick(["always", "always", "on-failure", "never"]),
        attemptsMax: prng.integer(0, 4),
        backoffMsMin: 500,
        backoffMsMax: 8_000,
      },
    };
  }

  #migration(guest: { projectId: string; guestId: string; requestId: string }): Command["run"] {
    const targetNodeId = this.#prng.chance(0.3) ? this.#prng.pick(NODE_IDS) : "";
    return (controller) =>
      migrateGuest(controller, { ...guest, targetNodeId, downtimeMsMax: undefined });
  }

  #resize(guest: { projectId: string; guestId: string; requestId: string }): Command["run"] {
    const cpuMillis = this.#prng.pick([undefined, 250, 500, 1000, 2000]);
    const memoryMib = this.#prng.pick([undefined, 64, 128, 256, 512, 1024]);
    const diskIopsMax = this.#prng.pick([undefined, 0, 100]);
    const limits = diskIopsMax === undefined ? {} : { diskIopsMax };
    return (controller) => resizeGuest(controller, { ...guest, cpuMillis, memoryMib, limits });
  }

  #disk(guest: { projectId: string; guestId: string; requestId: string }): Command["run"] {
    const disk = { name: this.#prng.pick(["a", "b"]), sizeMib: this.#prng.pick([10, 20]) };
    if (this.#prng.chance(0.3)) {
      return (controller) => removeGuestDisk(controller, { ...guest, diskName: disk.name });
    }
    return (controller) => setGuestDisk(controller, { ...guest, disk });
  }

  #snapshot(guest: { projectId: string; guestId: string; requestId: string }): Command["run"] {
    const snapshotName = this.#prng.pick(SNAPSHOT_NAMES);
    const hasMemory = this.#prng.chance(0.5);
    if (this.#prng.chance(0.3)) {
      return (controller) => removeSnapshot(controller, { ...guest, snapshotName });
    }
    return (controller) => takeSnapshot(controller, { ...guest, snapshotName, hasMemory });
  }

  #restore(guest: { projectId: string; guestId: string; requestId: string }): Command["run"] {
    const snapshotName = this.#prng.pick(SNAPSHOT_NAMES);
    const isDisksOnly = this.#prng.chance(0.5);
    return (controller) => restoreSnapshot(controller, { ...guest, snapshotName, isDisksOnly });
  }

  #clone(guest: { projectId: string; guestId: string; requestId: string }): Command["run"] {
    const cloneId = this.#prng.pick(GUEST_NAMES);
    const snapshotName = this.#prng.chance(0.6) ? this.#prng.pick(SNAPSHOT_NAMES) : undefined;
    return (controller) => cloneGuest(controller, { ...guest, cloneId, snapshotName });
  }

  #cancellation(requestId: string): Command {
    const running = this.cluster.records.operations().filter((each) => each.state === "running");
    const operationId = running.length > 0 ? this.#prng.pick(running).id : this.#ids.uuid();
    return {
      what: `cancel ${operationId}`,
      isOperation: true,
      run: (controller) => cancelOperation(controller, { operationId, requestId }),
    };
  }

  #rebalance(requestId: string): Command {
    const limits = { movesMax: 4, gainMinBasisPoints: 1, coolDownMs: 0 };
    return {
      what: "rebalance",
      isOperation: true,
      run: (controller) => rebalanceCluster(controller, { ...limits, requestId }),
    };
  }

  #drain(requestId: string): Command {
    const nodeId = this.#prng.pick(NODE_IDS);
    // Without one it may wait for room without end.
    const deadlineMs = this.#prng.integer(1_000, 30_000);
    return {
      what: `drain ${nodeId}`,
      isOperation: true,
      run: (controller) => drainNode(controller, { nodeId, deadlineMs, requestId }),
    };
  }

  #return(requestId: string): Command {
    const nodeId = this.#prng.pick(NODE_IDS);
    return {
      what: `return ${nodeId}`,
      isOperation: true,
      run: (controller) => returnGuests(controller, { nodeId, requestId }),
    };
  }

  #quota(requestId: string): Command {
    const projectId = "team";
    const quota: Quota = {
      guests: this.#prng.integer(1, 8),
      memoryMib: 256 * this.#prng.integer(1, 10),
    };
    const input = { projectId, quota, requestId, expectedRevision: 0 };
    return {
      what: `quota ${JSON.stringify(quota)}`,
      isOperation: false,
      run: (controller) => setProjectQuota(controller, input),
      wasSet: (value) => JSON.stringify((value as Project).quota) === JSON.stringify(quota),
    };
  }

  #cordon(requestId: string, isCordoned: boolean): Command {
    const nodeId = this.#prng.pick(NODE_IDS);
    return {
      what: `cordon ${nodeId} ${isCordoned}`,
      isOperation: false,
      run: (controller) => cordonNode(controller, { nodeId, isCordoned, requestId }),
      wasSet: (value) => value.id === nodeId && (value as NodeRecord).isCordoned === isCordoned,
    };
  }
}

function mayRepeat({ kind }: DomainError): boolean {
  return kind === "unavailable" || kind === "timeout";
}
