import type { ChangeBatch, RecordValue, Revision } from "@innkeeper/core";
import { aGuest, aNode } from "@innkeeper/core/testing";
import { expect, it } from "vitest";
import type { MirrorListener } from "../mirror/mirror.js";
import { tellGuestChanges } from "./guest-changes.js";

it("tells of each guest that was written or deleted, with the revision, until it ends", () => {
  const listeners = new Set<MirrorListener>();
  const told: [string, Revision][] = [];
  const subscribe = (listener: MirrorListener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  const stop = tellGuestChanges({ subscribe }, (uid, revision) => told.push([uid, revision]));
  const mirrored = (batch: ChangeBatch, before: readonly (RecordValue | undefined)[]): void => {
    for (const listener of listeners) listener(batch, before);
  };
  const [written, gone] = [aGuest({ uid: "u1" }), aGuest({ uid: "u2" })];
  const changes: ChangeBatch["changes"] = [
    { key: "guest/p/g1", value: written },
    { key: "node/n1", value: aNode() },
    { key: "guest/p/g2", value: undefined },
  ];
  mirrored({ revision: 7, atMs: 1, changes }, [undefined, undefined, gone]);
  stop();
  mirrored({ revision: 8, atMs: 1, changes }, [undefined, undefined, gone]);
  expect(told).toEqual([
    ["u1", 7],
    ["u2", 7],
  ]);
});
