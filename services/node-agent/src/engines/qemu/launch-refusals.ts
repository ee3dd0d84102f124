/** Why a copy cannot be launched here. */
import { type CopyLaunch, type CopyRef, type DomainError, precondition } from "@innkeeper/core";

export function noSuchMode(mode: string): DomainError {
  return precondition("MODE_NOT_SUPPORTED", `qemu runs no guests in ${mode} mode`, { mode });
}

/** Its memory would arrive, its disk would not. */
export function noLiveMigration({ guestUid, disks }: CopyLaunch): DomainError {
  const message = `a guest with ${disks.length} disks cannot be received while it runs`;
  return precondition("NO_LIVE_MIGRATION", message, { guestUid, disks: String(disks.length) });
}

export function noBridge({ guestUid }: CopyRef): DomainError {
  const message = "this node offers no bridge that the guest could be on";
  return precondition("NO_BRIDGE", message, { guestUid });
}

export function copyExists({ guestUid, epoch }: CopyRef): DomainError {
  const message = `copy ${guestUid}.${epoch} exists already`;
  return precondition("COPY_EXISTS", message, { guestUid, epoch: String(epoch) });
}
