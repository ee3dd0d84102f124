/**
 * The frame of all commands on one existing guest: read, refuse or change, commit with a new
 * operation.
 */
import {
  type Check,
  type CounterChange,
  conflict,
  type DomainError,
  type Guest,
  guestKey,
  isDone,
  type MigrationForecast,
  notFound,
  type Operation,
  type OperationKind,
  precondition,
  recordKey,
} from "@innkeeper/core";
import type { Versioned } from "../mirror/mirror.js";
import { type CommandContext, mutate } from "./command-context.js";
import { newOperation } from "./new-operation.js";

export interface GuestRef {
  readonly projectId: string;
  readonly guestId: string;
}

export interface GuestCommand extends GuestRef {
  readonly requestId: string;
}

/** What a command makes of the guest. */
export interface GuestChange {
  readonly guest: Guest;
  readonly checks?: readonly Check[];
  readonly counters?: readonly CounterChange[];
  /** What the operation says from the beginning. */
  readonly forecast?: MigrationForecast;
  /** An operation that this one ends. */
  readonly superseded?: Operation | undefined;
}

/** @throws `not-found`. */
export function findGuest({ mirror }: CommandContext, ref: GuestRef): Versioned<Guest> {
  const found = mirror.guest(ref.projectId, ref.guestId);
  if (found === undefined) throw notFound("guest", ref.guestId);
  return found;
}

/**
 * Commits `change(guest)` together with a new operation of this kind.
 * @returns the operation's id.
 */
export function changeGuest(
  context: CommandContext,
  command: { input: GuestCommand & Readonly<Record<string, unknown>>; kind: OperationKind },
  change: (found: Versioned<Guest>, operation: Operation) => GuestChange,
): Promise<string> {
  const { requestId, ...body } = command.input;
  const request = { id: requestId, body: { do: `${command.kind}-guest`, ...body } };
  return mutate(context, request, () => {
    const found = findGuest(context, command.input);
    const operation = newOperation(context, found.value, command.kind);
    const changed = change(found, operation);
    const guest = {
      ...changed.guest,
      operationId: operation.id,
      updatedAtMs: context.clock.nowMs(),
    };
    const begun = changed.forecast ? { ...operation, forecast: changed.forecast } : operation;
    const operations = [begun, ...(changed.superseded ? [changed.superseded] : [])];
    return {
      transaction: {
        checks: [{ key: guestKey(guest), revision: found.revision }, ...(changed.checks ?? [])],
        puts: [
          { key: guestKey(guest), value: guest },
          ...operations.map((each) => ({ key: recordKey("operation", each.id), value: each })),
        ],
        deletes: [],
        counters: changed.counters ?? [],
      },
      answer: operation.id,
    };
  });
}

/** @throws `conflict` (GUEST_BUSY) naming the running operation. */
export function refuseIfBusy({ mirror }: CommandContext, guest: Guest): void {
  refuseIfEvicted(guest);
  if (guest.operationId === "") return;
  const operation = mirror.operation(guest.operationId)?.value;
  // That of a clone, which has lent it, ends a moment before it is given back.
  if (operation !== undefined && isDone(operation)) return;
  const kind = operation?.kind ?? "unknown";
  throw conflict("GUEST_BUSY", `guest "${guest.id}" is busy: ${kind} (${guest.operationId})`, {
    guest: guest.id,
    operation: guest.operationId,
    kind,
  });
}

function refuseIfEvicted({ id, status }: Guest): void {
  if (status.eviction === undefined) return;
  const { name, priority } = status.eviction.by;
  const message = `guest "${id}" is busy: it makes room for ${name} (priority ${priority})`;
  throw conflict("GUEST_BUSY", message, { guest: id, kind: "eviction" });
}

export function illegalTransition(guest: Guest, verb: string): DomainError {
  const { phase } = guest.status;
  return precondition("ILLEGAL_TRANSITION", `guest "${guest.id}" is ${phase}: cannot ${verb}`, {
    guest: guest.id,
    phase,
    verb,
  });
}
