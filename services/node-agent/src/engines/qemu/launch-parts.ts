/** The files that only one copy has: what it is told of itself, and who it is. */
import type { Clock, CopyLaunch } from "@innkeeper/core";
import { IDENTITY_FILE, identityBytes, identityOf } from "./identity.js";
import { macAddressOf } from "./machine.js";
import { type SeedPart, seedParts } from "./seed-arguments.js";

/** What must be in the copy's directory before QEMU starts. */
export function partsOf(launch: CopyLaunch, clock: Clock): readonly SeedPart[] {
  if (launch.quickStart === undefined) return seedParts(launch);
  const { hostName } = launch.quickStart;
  const macAddress = macAddressOf(launch);
  const identity = identityOf(launch, { hostName, macAddress, nowMs: clock.nowMs() });
  return [...seedParts(launch), { name: IDENTITY_FILE, bytes: identityBytes(identity) }];
}
