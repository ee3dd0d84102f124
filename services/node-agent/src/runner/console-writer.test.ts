import { beforeEach, expect, it, vi } from "vitest";
import { type FakeCopy, FakeEngine } from "../testing/fake-engine.js";
import { writeConsoleOf } from "./console-writer.js";

const GUEST = "00000000-0000-4000-8000-00000000000a";

let engine: FakeEngine;
let copy: FakeCopy;

beforeEach(() => {
  engine = new FakeEngine();
  copy = engine.place({ guestUid: GUEST, epoch: 1 }, "running");
});

/** Pieces that come when the test says so. */
class Typist {
  readonly abort = new AbortController();
  #give: (piece: string | undefined) => void = () => undefined;
  readonly #given = this.#pieces();

  constructor(
    private readonly holder: string,
    private readonly isForced = false,
  ) {}

  type(piece: string | undefined): void {
    this.#give(piece);
  }

  grants() {
    const { holder, isForced } = this;
    const writer = { guestUid: GUEST, holder, isForced };
    return writeConsoleOf({ copy, writer }, this.#given, this.abort.signal);
  }

  async *#pieces(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const piece = await new Promise<string | undefined>((resolve) => {
        this.#give = resolve;
      });
      if (piece === undefined) return;
      yield Buffer.from(piece);
    }
  }
}

const GRANTED = { done: false, value: { isTerminal: true } };

it("gives the right, writes what is typed, and lasts beyond the end of the input", async () => {
  const ann = new Typist("ann");
  const grants = ann.grants();
  expect(await grants.next()).toEqual(GRANTED);
  const end = grants.next();
  await vi.waitFor(() => {
    ann.type("ls");
    expect(engine.acts).toContain("type ls 1");
  });
  ann.type(undefined);
  await expect(new Typist("bob").grants().next()).rejects.toMatchObject({ reason: "CONSOLE_HELD" });
  ann.abort.abort();
  expect(await end).toEqual({ done: true, value: undefined });
  expect(engine.acts.at(-1)).toBe("close console 1");
});

it("refuses a second writer by the name of the first, until that has gone (W1)", async () => {
  const ann = new Typist("ann");
  const grants = ann.grants();
  await grants.next();
  await expect(new Typist("bob").grants().next()).rejects.toMatchObject({
    kind: "precondition",
    metadata: { holder: "ann" },
  });
  const end = grants.next();
  ann.abort.abort();
  await end;
  expect(await new Typist("bob").grants().next()).toEqual(GRANTED);
});

it("tells a writer who took its right by force, and writes for the new one (W2)", async () => {
  const ann = new Typist("ann");
  const grants = ann.grants();
  await grants.next();
  const end = grants.next();
  const told = expect(end).rejects.toMatchObject({
    kind: "conflict",
    reason: "CONSOLE_TAKEN",
    metadata: { holder: "bob" },
  });
  const bob = new Typist("bob", true);
  const taken = bob.grants();
  expect(await taken.next()).toEqual(GRANTED);
  await told;
  const bobs = taken.next();
  ann.type("ann's");
  await vi.waitFor(() => {
    bob.type("bob's");
    expect(engine.acts).toContain("type bob's 1");
  });
  expect(engine.acts).not.toContain("type ann's 1");
  await expect(new Typist("cy").grants().next()).rejects.toMatchObject({
    metadata: { holder: "bob" },
  });
  bob.abort.abort();
  await bobs;
});

it("ends with the copy", async () => {
  const grants = new Typist("ann").grants();
  await grants.next();
  const end = grants.next();
  copy.end({ reason: "killed", message: "killed" });
  await expect(end).rejects.toMatchObject({ kind: "unavailable" });
});
