/** Commands in guests: what every engine must do that can run some, and what the others say. */
import { expect, it } from "vitest";
import type { ExecOutput } from "../../domain/exec.js";
import type { EngineCopy } from "../../ports/engine.js";
import type { EngineBench } from "./engine-harness.js";

const NO_INPUT = new Uint8Array(0);

export function engineExecContract(bench: () => EngineBench, canExec: boolean): void {
  if (canExec) commands(bench);
  else noCommands(bench);
}

function commands(bench: () => EngineBench): void {
  it("gives what a command prints, then how it ended", async () => {
    const copy = await bench().launch();
    await bench().waitForBeat(copy, 1);
    expect(await run(bench(), copy, ["echo", "a  b", "$c"])).toEqual({ out: "a  b $c\n", code: 0 });
    expect(await copy.runState()).toBe("running");
  });

  it("says that there is no such program, and the guest goes on", async () => {
    const copy = await bench().launch();
    await bench().waitForBeat(copy, 1);
    await expect(run(bench(), copy, ["no-such-program"])).rejects.toMatchObject({
      kind: "precondition",
      reason: "COMMAND_NOT_STARTED",
    });
    expect(await copy.runState()).toBe("running");
  });

  it("runs commands after a restart of the agent (E1)", async () => {
    const before = await bench().launch();
    await bench().waitForBeat(before, 1);
    const engine = await bench().restart(bench().engine);
    const copy = await bench().adopt(engine, before.ref);
    if (copy === undefined) throw new Error("the copy is gone");
    expect(await run(bench(), copy, ["echo", "again"])).toEqual({ out: "again\n", code: 0 });
  });

  it("runs nothing in a copy that has ended", async () => {
    const copy = await bench().launch();
    await bench().destroy(copy);
    await expect(run(bench(), copy, ["echo"])).rejects.toMatchObject({ kind: "precondition" });
  });
}

function noCommands(bench: () => EngineBench): void {
  it("says that the image of the guest has no agent", async () => {
    const copy = await bench().launch();
    await expect(run(bench(), copy, ["echo"])).rejects.toMatchObject({
      kind: "precondition",
      reason: "NO_GUEST_AGENT",
    });
  });
}

async function run({ harness }: EngineBench, copy: EngineCopy, words: readonly string[]) {
  return await harness.settle(collect(copy, words));
}

async function collect(copy: EngineCopy, words: readonly string[]) {
  const { signal } = new AbortController();
  const outputs: ExecOutput[] = [];
  const request = { words, input: NO_INPUT, timeoutMs: 10_000 };
  for await (const output of copy.exec(request, signal)) outputs.push(output);
  const out = outputs.map((each) => (each.kind === "stdout" ? text(each.bytes) : "")).join("");
  const last = outputs.at(-1);
  return { out, code: last?.kind === "exit" ? last.code : undefined };
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
