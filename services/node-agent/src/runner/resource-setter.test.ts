/** How the limits of a copy follow its assignment (level-triggered, beside all else). */
import { precondition, unavailable } from "@innkeeper/core";
import { FakeClock, silentLogger } from "@innkeeper/core/testing";
import { beforeEach, describe, expect, it } from "vitest";
import { type FakeCopy, FakeEngine } from "../testing/fake-engine.js";
import { ResourceSetter } from "./resource-setter.js";

const REF = { guestUid: "00000000-0000-4000-8000-000000000001", epoch: 1 };
const LAUNCHED = { cpuMillis: 1000, memoryMib: 256 };
const SMALLER = { cpuMillis: 500, memoryMib: 128 };
const REFUSED = precondition("MEMORY_NOT_GIVEN_BACK", "the guest keeps everything");

let clock: FakeClock;
let engine: FakeEngine;
let copy: FakeCopy;
let setter: ResourceSetter;
let changes: number;

beforeEach(() => {
  clock = new FakeClock();
  engine = new FakeEngine();
  copy = engine.place(REF, "running");
  copy.isSlowToResize = true;
  changes = 0;
  setter = new ResourceSetter({ clock, log: silentLogger }, () => {
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
    expect(setter.view).toMatchObject({ applied: SMALLER, isResizing: false });
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
