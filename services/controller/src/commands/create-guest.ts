/**
 * Admission of a new guest: quota is taken here, in the same commit; a place is found later by the
 * leader.
 */
import {
  alreadyExists,
  type Check,
  type Guest,
  type GuestSpec,
  guestKey,
  heldBy,
  IMAGE_MODES,
  type Image,
  imageCounter,
  invalidField,
  type Labels,
  notFound,
  recordKey,
  usageOf,
} from "@innkeeper/core";
import { type CommandContext, type Mutation, mutate } from "./command-context.js";
import { refuseDataDisks } from "./data-disks.js";
import { refuseDiskOfPreemptible, withDiskOf } from "./guest-disk.js";
import { refuseUnkeptLimit } from "./guest-limits.js";
import { claimCounters, newNetwork, withPorts } from "./guest-network.js";
import { newOperation } from "./new-operation.js";
import { lineChecks, lineCounters, projectLine } from "./quota-line.js";

export interface CreateGuestInput {
  readonly projectId: string;
  readonly id: string;
  readonly labels: Labels;
  readonly spec: GuestSpec;
  readonly gangId?: string | undefined;
  readonly requestId: string;
}

/**
 * @returns the operation's id.
 * @throws `not-found` for project or image, `already-exists`, `capacity` (QUOTA_EXCEEDED),
 * `invalid`.
 */
export function createGuest(context: CommandContext, input: CreateGuestInput): Promise<string> {
  const { requestId, ...body } = input;
  return mutate(context, { id: requestId, body: { do: "create-guest", ...body } }, () =>
    prepareCreation(context, input),
  );
}

/** What creates it, decided by the mirror of now. Throws as `createGuest`. */
export function prepareCreation(
  context: CommandContext,
  input: Omit<CreateGuestInput, "requestId"> & { readonly kind?: "clone" },
): Mutation {
  const { mirror } = context;
  const line = projectLine(mirror, input.projectId);
  const image = mirror.image(input.spec.imageId);
  if (image === undefined) throw notFound("image", input.spec.imageId);
  const memoryMibMin = image.value.manifest.memoryMibMin;
  if (input.spec.resources.memoryMib < memoryMibMin) {
    const allowed = `at least ${memoryMibMin} for image ${input.spec.imageId}`;
    throw invalidField("guest.spec.resources.memory_mib", input.spec.resources.memoryMib, allowed);
  }
  checkMode(image.value, input.spec);
  checkNeeds(input.spec);
  refuseUnkeptLimit("guest.spec.limits.", image.value, input.spec);
  refuseDataDisks("guest.spec.data_disks", image.value, input.spec.dataDisks);
  if (mirror.guest(input.projectId, input.id)) throw alreadyExists("guest", input.id);
  const spec = withPorts(context.ids, withDiskOf(image.value, input.spec));
  refuseDiskOfPreemptible("guest.spec.preemptible", spec);
  const guest = newGuest(context, { ...input, spec });
  const operation = newOperation(context, guest, input.kind ?? "create");
  return {
    transaction: {
      checks: [...checksFor(guest, image.revision), ...lineChecks(line)],
      puts: [
        { key: guestKey(guest), value: { ...guest, operationId: operation.id } },
        { key: recordKey("operation", operation.id), value: operation },
      ],
      deletes: [],
      counters: [
        ...lineCounters(line, usageOf(heldBy(guest.spec))),
        { key: imageCounter(guest.spec.imageId), delta: 1, max: undefined },
        ...claimCounters(guest),
      ],
    },
    answer: operation.id,
  };
}

/** No node will ever offer it. */
function checkMode({ id, manifest }: Image, { mode }: GuestSpec): void {
  const modes = IMAGE_MODES[manifest.kind];
  if (mode === "auto" || modes.includes(mode)) return;
  const allowed = `auto, ${modes.join(", ")} for image ${id}, which is of kind ${manifest.kind}`;
  throw invalidField("guest.spec.mode", mode, allowed);
}

/** Needs that contradict what the guest asks for itself: no node will ever meet them. */
function checkNeeds(spec: GuestSpec): void {
  const { needs, mode } = spec;
  const field = "guest.spec.needs";
  if (needs.ownKernel && mode === "container") {
    throw invalidField(`${field}.own_kernel`, true, "false; a container shares the host's kernel");
  }
  if (needs.liveMigration && heldBy(spec).diskMib > 0) {
    const allowed = "false; a disk is on its node only, so the guest cannot move while it runs";
    throw invalidField(`${field}.live_migration`, true, allowed);
  }
}

function checksFor(guest: Guest, imageRevision: number): Check[] {
  return [
    { key: guestKey(guest), revision: "absent" },
    { key: recordKey("image", guest.spec.imageId), revision: imageRevision },
  ];
}

function newGuest(context: CommandContext, input: Omit<CreateGuestInput, "requestId">): Guest {
  const { clock, ids } = context;
  const nowMs = clock.nowMs();
  return {
    uid: ids.uuid(),
    id: input.id,
    projectId: input.projectId,
    labels: input.labels,
    gangId: input.gangId,
    generation: 1,
    intent: 1,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    isDeleting: false,
    operationId: "",
    spec: input.spec,
    status: {
      phase: "PENDING",
      reason: "",
      message: "",
      placement: undefined,
      migration: undefined,
      resize: undefined,
      launchedWith: undefined,
      rejections: [],
      epochLast: 0,
      observedGeneration: 0,
      restartCount: 0,
      startedAtMs: undefined,
      lastExit: undefined,
      network: newNetwork(context, input.spec),
    },
  };
}
