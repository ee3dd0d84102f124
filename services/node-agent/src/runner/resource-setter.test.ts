/** How the limits of a copy follow its assignment (level-triggered, beside all else). */
import { precondition, unavailable } from "@innkeeper/core";
import {
  anAssignment,
  FakeClock,
  MemoryDiskStore,
  MemoryDisks,
  silentLogger,
} from "@innkeeper/core/testing";
import { beforeEach, describe, expect, it } from "vitest";
import { type FakeCopy, FakeEngine } from "../testing/fake-engine.js";
import { appliedBy, ResourceSetter } from "./resource-setter.js";

const REF = { guestUid: "00000000-0000-4000-8000-000000000001", epoch: 1 };
const LAUNCHED = { cpuMillis: 1000, memoryMib: 256 };
const SMALLER = anAssignment({ cpuMillis: 500, memoryMib: 128, dataDisks: [] });
const DATA = { name: "a", sizeMib: 10 };
const REFUSED = precondition("MEMORY_NOT_GIVEN_BACK", "the guest keeps everything");

let clock: FakeClock;
let engine: FakeEngine;
let copy: FakeCopy;
let disks: MemoryDiskStore;
let setter: ResourceSetter;
let changes: number;

beforeEach(() => {
  clock = new FakeClock();
  engine = new FakeEngine();
  copy = engine.place(REF, "running");
  copy.isSlowToResize = true;
  changes = 0;
  disks = new MemoryDiskStore();
  setter = new ResourceSetter({ clock, disks, log: silentLogger }, () => {
    changes += 1;
  });
  setter.attach(copy, LAUNCHED);
});

describe("ResourceSetter", () => {
  it("knows what was applied only once the engine says so", async () => {
    expect(setter.view).toMatchObject({ applied: LAUNCHED, isResizing: false });
    setter.begin(copy, SMALLER);
    expect(setter.view).toMatchObject({ applied: undefined, isResizing: true });
    copy.endResize();
    await clock.advance(0);
    expect(setter.view).toMatchObject({ applied: appliedBy(SMALLER), isResizing: false });
    expect(changes).toBe(1);
  });

  it("tells why it failed, tries again by itself later, or at once under a new order", async () => {
    setter.begin(copy, SMALLER);
    copy.endResize(REFUSED);
    await clock.advance(0);
    expect(setter.error).toMatchObject({ reason: "MEMORY_NOT_GIVEN_BACK" });
    setter.retry();
    expect(setter.view).toEqual({ applied: undefined, isResizing: false, resizeError: undefined });
    setter.begin(copy, SMALLER);
    copy.endResize(REFUSED);
    await clock.advance(0);
    await clock.advance(15_000);
    expect(setter.view).toEqual({ applied: undefined, isResizing: false, resizeError: undefined });
  });

  it("says nothing of a trouble that may pass, and tries again", async () => {
    setter.begin(copy, SMALLER);
    copy.endResize(unavailable("engine", "its monitor is silent"));
    await clock.advance(0);
    expect(setter.view).toMatchObject({ isResizing: true, resizeError: undefined });
    await clock.advance(1_000);
    expect(setter.view).toMatchObject({ applied: undefined, isResizing: false });
  });

  it("gives the copy its disks, and removes those that it has let go of", async () => {
    copy.isSlowToResize = false;
    setter.begin(copy, { ...SMALLER, dataDisks: [DATA] });
    await clock.advance(0);
    expect([...(disks.disks.guests.get(REF.guestUid)?.keys() ?? [])]).toEqual(["disk-a"]);
    setter.begin(copy, SMALLER);
    await clock.advance(0);
    expect(engine.acts.filter((act) => act.startsWith("disks"))).toEqual(["disks disk-a 1"]);
    expect(disks.disks.guests.size).toBe(0);
  });

  it("takes want of space for a refusal", async () => {
    disks = new MemoryDiskStore(new MemoryDisks(5));
    setter = new ResourceSetter({ clock, disks, log: silentLogger }, () => undefined);
    copy.isSlowToResize = false;
    setter.attach(copy, LAUNCHED);
    setter.begin(copy, { ...SMALLER, dataDisks: [DATA] });
    await clock.advance(0);
    expect(setter.error).toMatchObject({ reason: "DISK_FULL", metadata: { needMib: "10" } });
  });

  it("takes no answer of a copy that is no longer the present one", async () => {
    setter.begin(copy, SMALLER);
    const next = engine.place({ ...REF, epoch: 2 }, "running");
    setter.attach(next, LAUNCHED);
    copy.endResize();
    await clock.advance(0);
    expect(setter.view).toMatchObject({ applied: LAUNCHED, isResizing: false });
    expect(changes).toBe(0);
  });
});
