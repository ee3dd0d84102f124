/** What guests take, for the API: known to the leader only. */
import { type Guest, leaderOf, precondition } from "@innkeeper/core";
import type {
  UsageSample as ProtoSample,
  GuestUsage as ProtoUsage,
} from "@innkeeper/proto/innkeeper/v1/guest";
import type { ListGuestUsageRequest } from "@innkeeper/proto/innkeeper/v1/guest_service";
import { findGuest, type GuestRef } from "../commands/change-guest.js";
import type { Controller } from "../controller.js";
import type { UsageBoard } from "../sessions/usage-board.js";
import { pageOf, parseOptionalName } from "./parse-request.js";

/** @throws `not-found`, `precondition` (NOT_LEADER) when this controller does not lead. */
export function guestUsage(
  controller: Controller,
  ref: GuestRef,
): { usage: ProtoUsage | undefined; samples: ProtoSample[] } {
  const { value: guest } = findGuest(controller, ref);
  const board = boardOf(controller);
  const samples = board.lastHour(guest.uid).map(({ atMs, ...sample }) => ({
    ...sample,
    time: new Date(atMs),
  }));
  return { usage: usageToProto(guest, board), samples };
}

/** @throws `precondition` (NOT_LEADER) when this controller does not lead. */
export function listGuestUsage(
  controller: Controller,
  request: ListGuestUsageRequest,
): { usages: ProtoUsage[]; nextPageToken: string } {
  const projectId = parseOptionalName("project_id", request.projectId);
  const board = boardOf(controller);
  const usages = controller.mirror
    .guests()
    .filter((guest) => projectId === "" || guest.projectId === projectId)
    .map((guest) => usageToProto(guest, board))
    .filter((usage) => usage !== undefined);
  const query = { ...request, query: projectId };
  const page = pageOf(usages, (usage) => `${usage.projectId}/${usage.guestId}`, query);
  return { usages: page.items, nextPageToken: page.nextPageToken };
}

function boardOf({ leaderEpoch, mirror, sessions }: Controller): UsageBoard {
  if (leaderEpoch !== 0) return sessions.usage;
  const leader = leaderOf(mirror.controllers());
  const address = leader?.address ?? "";
  const where = address === "" ? "no other is known to" : `ask the one at ${address}`;
  const message = `only the leader knows what guests take: this one does not lead, ${where}`;
  throw precondition("NOT_LEADER", message, { leader: address });
}

function usageToProto(guest: Guest, board: UsageBoard): ProtoUsage | undefined {
  const now = board.now(guest.uid);
  return (
    now && {
      projectId: guest.projectId,
      guestId: guest.id,
      nodeId: now.nodeId,
      cpuMillis: now.cpuMillis,
      memoryMib: now.memoryMib,
      limits: guest.spec.resources,
    }
  );
}
