/** Short forms of what the demo does with guests. */
import type { InnkeeperClient } from "@innkeeper/client";
import type { Mode } from "@innkeeper/core";
import { DomainError } from "@innkeeper/core";
import { MODE_TO_PROTO, parseError } from "@innkeeper/core/wire";
import { Guest } from "@innkeeper/proto/innkeeper/v1/guest";
import type { Operation } from "@innkeeper/proto/innkeeper/v1/operation";
import { guestName, type Stage } from "./stage.js";
import { must } from "./story.js";

const OPERATION_TIMEOUT_MS = 60_000;

export interface NewGuest {
  readonly id: string;
  readonly image: string;
  readonly mode: Mode | "auto";
  readonly memoryMib: number;
  readonly commandLine?: string;
  readonly projectId?: string;
  readonly nodeId?: string;
}

export async function create(client: InnkeeperClient, guest: NewGuest): Promise<Operation> {
  const { operation } = await client.guests.createGuest({ guest: toProto(guest), requestId: "" });
  must(operation !== undefined, `creating ${guest.id} gave no operation`);
  return operation;
}

/** Under its full name; it is removed at the end. */
export async function createOwn(stage: Stage, guest: NewGuest): Promise<Operation> {
  const id = guestName(stage, guest.id);
  const operation = await create(stage.client, { ...guest, id });
  stage.made.guests.add(id);
  return operation;
}

function toProto(guest: NewGuest): Guest {
  return Guest.fromPartial({
    id: guest.id,
    projectId: guest.projectId ?? "",
    spec: {
      imageId: guest.image,
      mode: MODE_TO_PROTO[guest.mode],
      resources: { cpuMillis: 500, memoryMib: guest.memoryMib, diskMib: 0 },
      commandLine: guest.commandLine ?? "",
      nodeId: guest.nodeId ?? "",
    },
  });
}

/** Waits for the end. @throws the operation's error. */
export async function finished(
  client: InnkeeperClient,
  operation: Operation | undefined,
): Promise<Operation> {
  must(operation !== undefined, "there is no operation to wait for");
  const abort = AbortSignal.timeout(OPERATION_TIMEOUT_MS);
  const changes = client.operations.watchOperation({ operationId: operation.id }, abort);
  for await (const { operation: latest } of changes) {
    if (!latest?.done) continue;
    const error = latest.result?.$case === "error" ? parseError(latest.result.value) : undefined;
    if (error) throw new DomainError(error);
    return latest;
  }
  must(false, `operation ${operation.id} did not end within ${OPERATION_TIMEOUT_MS} ms`);
}

export async function get(stage: Stage, name: string): Promise<Guest> {
  const request = { projectId: "", guestId: guestName(stage, name), minRevision: 0 };
  const { guest } = await stage.client.guests.getGuest(request);
  must(guest !== undefined, `guest ${name} is not there`);
  return guest;
}

/** Waits until the guest is as it should be, woken by each change. */
export async function untilGuest(
  stage: Stage,
  name: string,
  condition: (guest: Guest) => boolean,
): Promise<Guest> {
  const abort = AbortSignal.timeout(OPERATION_TIMEOUT_MS);
  const id = guestName(stage, name);
  const changes = stage.client.guests.watchGuests({ projectId: "", fromRevision: 0 }, abort);
  for await (const { guest } of changes) if (guest?.id === id && condition(guest)) return guest;
  must(false, `guest ${name} did not come to the wanted state in time`);
}

export function nodeOf(guest: Guest): string {
  return guest.status?.placement?.nodeId ?? "nowhere";
}

/** Runs what must be refused and gives the refusal. */
export async function refusal(work: () => Promise<unknown>): Promise<DomainError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof DomainError) return error;
    throw error;
  }
  must(false, "a request that had to be refused was accepted");
}
