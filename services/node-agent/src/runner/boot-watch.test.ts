import type { CopyExit } from "@innkeeper/core";
import { FakeClock } from "@innkeeper/core/testing";
import { beforeEach, expect, it } from "vitest";
import { type FakeCopy, FakeEngine } from "../testing/fake-engine.js";
import { BootWatch } from "./boot-watch.js";

const READY = { text: "login: ", withinMs: 1000 };
const DESTROYED: CopyExit = { reason: "destroyed", message: "destroyed" };

let clock: FakeClock;
let watch: BootWatch;
let copy: FakeCopy;
/** What the guest has printed; what stands before `from` is no longer kept. */
let printed: string;
let from: number;

beforeEach(() => {
  clock = new FakeClock();
  watch = new BootWatch(clock, 1);
  copy = new FakeEngine().place({ guestUid: "g", epoch: 1 }, "running");
  [printed, from] = ["", 0];
  copy.readConsole = (offset, bytesMax = 3) => {
    const at = Math.max(offset, from);
    const bytes = Buffer.from(printed.slice(at, at + Math.min(bytesMax, 3)), "latin1");
    return Promise.resolve({ bytes, nextOffset: at + bytes.length });
  };
});

it("lets a guest live that prints the text in time, in whatever pieces", async () => {
  watch.begin(copy, READY);
  printed = "booting\nhost lo";
  await clock.advance(750);
  printed += "gin: ";
  await clock.advance(5000);
  expect(copy.state).toBe("running");
  expect(watch.toldOf(copy, DESTROYED)).toBe(DESTROYED);
});

it("ends a guest that does not, and says why", async () => {
  watch.begin(copy, READY);
  printed = "booting for ever";
  await clock.advance(999);
  expect(copy.state).toBe("running");
  await clock.advance(251);
  expect(copy.state).toBe("ended");
  expect(watch.toldOf(copy, DESTROYED)).toEqual({
    reason: "boot-timeout",
    message: 'it did not print "login: " within 1000 ms and was ended',
  });
});

it("does not watch a copy that has not begun by booting", async () => {
  watch = new BootWatch(clock, undefined);
  watch.begin(copy, READY);
  await clock.advance(10_000);
  expect(copy.state).toBe("running");
});

it("does not count the time in which a guest stands still", async () => {
  watch.begin(copy, READY);
  copy.state = "paused";
  await clock.advance(10_000);
  expect(copy.state).toBe("paused");
  copy.state = "running";
  await clock.advance(1250);
  expect(copy.state).toBe("ended");
});

it("takes a guest for up that has printed more than is kept", async () => {
  watch.begin(copy, READY);
  [printed, from] = ["x".repeat(100), 50];
  await clock.advance(5000);
  expect(copy.state).toBe("running");
});

it("does not wait where the image does not say what for, nor after the end", async () => {
  watch.begin(copy, undefined);
  await clock.advance(5000);
  watch.begin(copy, READY);
  watch.end();
  await clock.advance(5000);
  expect(copy.state).toBe("running");
});

it("leaves the end of another copy, and another end, as they are", async () => {
  watch.begin(copy, READY);
  const killed: CopyExit = { reason: "killed", message: "killed" };
  expect(watch.toldOf(copy, killed)).toBe(killed);
  await clock.advance(5000);
  expect(copy.state).toBe("running");
});
