/** Where a guest's copy is reached now. */
import { type DomainError, type Guest, precondition } from "@innkeeper/core";
import type { Controller } from "../controller.js";

export interface GuestPlace {
  readonly nodeId: string;
  readonly epoch: number;
  /** Of the node's agent; changes when that restarts. */
  readonly address: string;
}

/** Undefined while the guest has no place. */
export function placeOf({ mirror }: Controller, guest: Guest): GuestPlace | undefined {
  const { placement } = guest.status;
  const node = placement && mirror.node(placement.nodeId)?.value;
  if (placement === undefined || node === undefined) return undefined;
  return { nodeId: placement.nodeId, epoch: placement.epoch, address: node.address };
}

export function isSamePlace(left: GuestPlace | undefined, right: GuestPlace | undefined): boolean {
  return left?.nodeId === right?.nodeId && left?.epoch === right?.epoch;
}

export function notPlaced(guest: Guest): DomainError {
  const message = `guest "${guest.id}" is ${guest.status.phase} and has no place yet`;
  return precondition("GUEST_NOT_PLACED", message, { guest: guest.id });
}
