import {
  type AgentClient,
  type ConsoleWriter,
  consoleHeld,
  type DomainError,
  unavailable,
} from "@innkeeper/core";
import { aGuest, aNode, aPlacement, FakeClock } from "@innkeeper/core/testing";
import type {
  AttachConsoleRequest,
  AttachConsoleResponse,
} from "@innkeeper/proto/innkeeper/v1/guest_service";
import { beforeEach, expect, it } from "vitest";
import type { Controller } from "../controller.js";
import { attachConsole } from "./attach-console.js";

/** A console that keeps its newest bytes, and a way in that can break. */
class ScriptedAgent implements Pick<AgentClient, "readConsole" | "writeConsole"> {
  from = 0;
  text = "";
  readonly written: string[] = [];
  readonly asked: ConsoleWriter[] = [];
  /** Thrown by the next ones who ask to write. */
  readonly refusals: DomainError[] = [];

  async readConsole(_: string, offset: number, bytesMax: number) {
    const at = Math.max(offset, this.from);
    const bytes = Buffer.from(this.text).subarray(at - this.from, at - this.from + bytesMax);
    return { bytes, nextOffset: at + bytes.length };
  }

  async *writeConsole(
    writer: ConsoleWriter,
    input: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): ReturnType<AgentClient["writeConsole"]> & AsyncGenerator<{ isTerminal: boolean }> {
    this.asked.push(writer);
    const refusal = this.refusals.shift();
    if (refusal !== undefined) throw refusal;
    yield { isTerminal: true };
    for await (const bytes of input) this.written.push(Buffer.from(bytes).toString());
    if (!signal.aborted) {
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    }
  }
}

let clock: FakeClock;
let agent: ScriptedAgent;
let controller: Controller;
let abort: AbortController;

beforeEach(() => {
  clock = new FakeClock();
  agent = new ScriptedAgent();
  abort = new AbortController();
  const guest = aGuest();
  const placed = { ...guest, status: { ...guest.status, placement: aPlacement() } };
  const mirror = {
    guest: () => ({ value: placed }),
    guestByUid: () => ({ value: placed }),
    node: () => ({ value: aNode() }),
  };
  controller = { mirror, clock, agents: { clientFor: () => agent } } as unknown as Controller;
});

type Opening = Partial<{ readOnly: boolean; historyBytes: number; holder: string }>;

async function* messages(opening: Opening, typed: readonly string[]) {
  const defaults = { projectId: "", guestId: "web", readOnly: false, force: false, holder: "ann" };
  const value = { ...defaults, ...opening };
  yield { part: { $case: "opening", value } } as AttachConsoleRequest;
  for (const text of typed) {
    yield { part: { $case: "input", value: Buffer.from(text) } } as AttachConsoleRequest;
  }
}

/** What has come after some time. */
class Attached {
  readonly seen: string[] = [];
  error: unknown;

  constructor(opening: Opening = {}, typed: readonly string[] = []) {
    const requests = messages(opening, typed);
    const streams = { requests, signal: abort.signal, peer: "127.0.0.1:5" };
    void this.#read(attachConsole(controller, streams));
  }

  async #read(responses: AsyncIterable<AttachConsoleResponse>): Promise<void> {
    try {
      for await (const { part } of responses) {
        if (part?.$case === "data") this.seen.push(part.value.toString());
        else if (part?.$case === "skippedBytes") this.seen.push(`skipped ${part.value}`);
        else this.seen.push("granted");
      }
    } catch (error) {
      this.error = error;
    }
  }
}

it("gives as much history as is asked for, then what comes", async () => {
  agent.text = "0123456789";
  const { seen } = new Attached({ readOnly: true, historyBytes: 4 });
  await clock.advance(100);
  agent.text += "more";
  await clock.advance(100);
  expect(seen).toEqual(["6789", "more"]);
  expect(agent.asked).toEqual([]);
});

it("tells a slow reader how much it missed (T1)", async () => {
  agent.text = "first";
  const { seen } = new Attached({ readOnly: true });
  await clock.advance(100);
  [agent.from, agent.text] = [105, "later"];
  await clock.advance(100);
  expect(seen).toEqual(["first", "skipped 100", "later"]);
});

it("writes what is typed once the right is given", async () => {
  const { seen } = new Attached({}, ["ls", "\r"]);
  await clock.advance(100);
  expect(agent.written).toEqual(["ls", "\r"]);
  expect(seen).toEqual(["granted"]);
  expect(agent.asked[0]).toMatchObject({ holder: "ann", isForced: false });
});

it("names a nameless writer by its address", async () => {
  new Attached({ holder: "" });
  await clock.advance(100);
  expect(agent.asked[0]).toMatchObject({ holder: "127.0.0.1:5" });
});

it("says at once that another one writes, before any history", async () => {
  agent.text = "history";
  agent.refusals.push(consoleHeld("bob"));
  const attached = new Attached();
  await clock.advance(100);
  expect(attached.error).toMatchObject({ reason: "CONSOLE_HELD", metadata: { holder: "bob" } });
  expect(attached.seen.join()).not.toContain("history");
});

it("asks for the right anew when the way to the guest broke (T2)", async () => {
  agent.refusals.push(unavailable("agent", "it restarts"), unavailable("agent", "it restarts"));
  const attached = new Attached({}, ["typed meanwhile"]);
  await clock.advance(1000);
  expect(attached.error).toBeUndefined();
  expect(agent.asked).toHaveLength(3);
  expect(agent.written).toEqual(["typed meanwhile"]);
});
