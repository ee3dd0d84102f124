import { PassThrough } from "node:stream";
import { FakeClock } from "@innkeeper/core/testing";
import { beforeEach, expect, it } from "vitest";
import { mergeOutput } from "./merge-output.js";

let clock: FakeClock;
let stdout: PassThrough;
let stderr: PassThrough;
let exit: () => void;
let exited: Promise<void>;

beforeEach(() => {
  clock = new FakeClock();
  stdout = new PassThrough();
  stderr = new PassThrough();
  exited = new Promise((resolve) => {
    exit = resolve;
  });
});

async function all(): Promise<string[]> {
  const pieces: string[] = [];
  for await (const { kind, bytes } of mergeOutput({ stdout, stderr, exited, clock }, 500)) {
    pieces.push(`${kind} ${Buffer.from(bytes).toString()}`);
  }
  return pieces;
}

it("gives the bytes of both streams and ends with them", async () => {
  stdout.end("a");
  stderr.end("b");
  expect((await all()).sort()).toEqual(["stderr b", "stdout a"]);
});

it("ends when the process has ended and what holds its streams is silent", async () => {
  const reading = all();
  stdout.write("a");
  exit();
  await clock.advance(499);
  stdout.write("b");
  await clock.advance(499);
  expect(stdout.destroyed).toBe(false);
  await clock.advance(1);
  expect(await reading).toEqual(["stdout a", "stdout b"]);
  expect(stdout.destroyed).toBe(true);
});

it("takes a stream that breaks as one that has ended", async () => {
  const reading = all();
  stdout.write("a");
  await clock.advance(1);
  stdout.destroy(new Error("broken"));
  stderr.end();
  expect(await reading).toEqual(["stdout a"]);
});

it("reads no further than what is asked for", async () => {
  const pieces = mergeOutput({ stdout, stderr, exited, clock }, 500);
  const large = Buffer.alloc(stdout.readableHighWaterMark);
  for (let count = 0; count < 10; count += 1) stdout.write(large);
  await pieces.next();
  await clock.advance(1000);
  expect(stdout.writableNeedDrain).toBe(true);
  await pieces.return(undefined);
  expect(stderr.destroyed).toBe(true);
});
