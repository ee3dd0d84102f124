/** The part of GuestService that is about what a guest keeps on disks. */
import { parseDataDiskName, parseName } from "@innkeeper/core";
import { unary } from "@innkeeper/core/platform";
import { parseDataDisk } from "@innkeeper/core/wire";
import type { GuestServiceServer } from "@innkeeper/proto/innkeeper/v1/guest_service";
import type { Operation as ProtoOperation } from "@innkeeper/proto/innkeeper/v1/operation";
import { cloneGuest } from "../commands/clone-guest.js";
import { removeGuestDisk, setGuestDisk } from "../commands/data-disks.js";
import {
  removeSnapshot,
  restoreSnapshot,
  type SnapshotCommand,
  takeSnapshot,
} from "../commands/snapshots.js";
import type { Controller } from "../controller.js";
import { type NamedGuest, parseMutation } from "./parse-request.js";

type Methods =
  | "setGuestDisk"
  | "removeGuestDisk"
  | "takeSnapshot"
  | "removeSnapshot"
  | "restoreSnapshot"
  | "cloneGuest";
type Answer = (operationId: Promise<string>) => Promise<{ operation: ProtoOperation }>;

export function guestDiskService(
  controller: Controller,
  answer: Answer,
): Pick<GuestServiceServer, Methods> {
  const { log } = controller;
  return {
    setGuestDisk: unary(log, (request) => {
      const disk = parseDataDisk("disk", request.disk);
      return answer(setGuestDisk(controller, { ...parseMutation(request), disk }));
    }),
    removeGuestDisk: unary(log, (request) => {
      const diskName = parseDataDiskName("disk_name", request.diskName);
      return answer(removeGuestDisk(controller, { ...parseMutation(request), diskName }));
    }),
    takeSnapshot: unary(log, (request) =>
      answer(takeSnapshot(controller, { ...parseSnapshot(request), hasMemory: request.memory })),
    ),
    removeSnapshot: unary(log, (request) =>
      answer(removeSnapshot(controller, parseSnapshot(request))),
    ),
    restoreSnapshot: unary(log, (request) => {
      const isDisksOnly = request.disksOnly;
      return answer(restoreSnapshot(controller, { ...parseSnapshot(request), isDisksOnly }));
    }),
    cloneGuest: unary(log, (request) => {
      const cloneId = parseName("clone_id", request.cloneId);
      const { snapshotName: name } = request;
      const snapshotName = name === "" ? undefined : parseName("snapshot_name", name);
      return answer(cloneGuest(controller, { ...parseMutation(request), cloneId, snapshotName }));
    }),
  };
}

function parseSnapshot(
  request: NamedGuest & { readonly requestId: string; readonly snapshotName: string },
): SnapshotCommand {
  const snapshotName = parseName("snapshot_name", request.snapshotName);
  return { ...parseMutation(request), snapshotName };
}
