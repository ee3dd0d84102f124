/**
 * Commands in guests that boot a kernel, by the agent of image `linux-agent`: the contract in both
 * modes, also where the guest has moved to, has begun from a template, or is asked to power off.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { CopyLaunch, EngineCopy } from "@innkeeper/core";
import { engineExecContract } from "@innkeeper/core/testing/contracts/engine-exec.contract";
import { EngineBench } from "@innkeeper/core/testing/contracts/engine-harness";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { qemuHarness } from "../../testing/qemu-harness.js";

const sharedDirectory = mkdtempSync(path.join(tmpdir(), "innkeeper-exec-"));
afterAll(() => {
  rmSync(sharedDirectory, { recursive: true });
});

/** Counts in a file that only this guest's memory holds. */
const COUNT = ["sh", "-c", "echo x >>/run/count; wc -l </run/count"];

describe.each(["paravirt", "hybrid"] as const)("commands in a %s guest with an agent", (mode) => {
  let bench: EngineBench;
  beforeEach(() => {
    bench = new EngineBench(qemuHarness({ mode, guest: "linux-agent", sharedDirectory }));
  });
  afterEach(async () => {
    await bench.dispose();
  });

  engineExecContract(() => bench, true);

  it("go on where the guest has moved to", async () => {
    const launch = bench.harness.launchOf("lasting");
    const source = await bench.launch(launch);
    await bench.waitForBeat(source, 1);
    expect(await outputOf(source, COUNT)).toBe("1\n");
    const incoming = { ...launch, epoch: launch.epoch + 1, isIncoming: true };
    const target = await bench.harness.settle(bench.openTarget().launch(incoming));
    const uri = await bench.harness.settle(target.listen());
    const limits = { downtimeMsMax: 300, slowdownPercentMax: 80, onProgress: () => undefined };
    await bench.harness.settle(source.migrate({ uri, ...limits }));
    await bench.waitForState(target, "received");
    await bench.destroy(source);
    await bench.harness.settle(target.resume());
    expect(await outputOf(target, COUNT)).toBe("2\n");
  });

  it("are the guest's own when it has begun from a template", async () => {
    await openTemplates(bench);
    const first = await bench.launch(quick(bench));
    await bench.waitForBeat(first, 1);
    expect(await outputOf(first, COUNT)).toBe("1\n");
    const { templates } = bench.engine;
    await bench.harness.waitUntil("a template", async () => templates?.list().length === 1);
    const second = await bench.launch(quick(bench));
    expect(await bench.consoleOf(second)).toMatch(/^innkeeper-guest: identity taken/);
    await bench.waitForBeat(second, 1);
    expect(await outputOf(second, COUNT)).toBe("1\n");
    expect(await outputOf(second, ["hostname"])).toBe("quick\n");
    expect(await outputOf(first, COUNT)).toBe("2\n");
  });

  it("are not needed to power it off: its agent is asked", async () => {
    const copy = await bench.launch();
    await bench.waitForBeat(copy, 1);
    expect(await outputOf(copy, ["rmmod", "button"])).toBe("");
    await bench.harness.settle(copy.requestShutdown());
    expect(await bench.harness.settle(copy.ended)).toMatchObject({ reason: "guest-shutdown" });
  });
});

async function openTemplates({ engine, harness }: EngineBench): Promise<void> {
  const isLooked = new Promise<void>((resolve) => engine.templates?.onChange(resolve));
  await harness.settle(engine.probe());
  await harness.settle(isLooked);
}

function quick({ harness }: EngineBench): CopyLaunch {
  const launch = harness.launchOf("lasting");
  const commandLine = launch.boot.commandLine;
  return { ...launch, quickStart: { manifest: "{}", hostName: "quick", commandLine } };
}

async function outputOf(copy: EngineCopy, words: readonly string[]): Promise<string> {
  const request = { words, input: new Uint8Array(0), timeoutMs: 10_000 };
  let text = "";
  for await (const each of copy.exec(request, new AbortController().signal)) {
    if (each.kind !== "exit") text += new TextDecoder().decode(each.bytes);
  }
  return text;
}
