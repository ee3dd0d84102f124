import { describe, expect, it } from "vitest";
import { commandToProto, execOutputToProto, parseCommand, parseExecOutput } from "./exec-codec.js";

const NOTHING = Buffer.alloc(0);

describe("commands", () => {
  it("arrive as they were sent", () => {
    const request = {
      words: ["sh", "", "-c", "ä '\n'"],
      input: Buffer.of(0, 255),
      timeoutMs: 1500,
    };
    expect(parseCommand("command", commandToProto(request))).toEqual(request);
  });

  it("have a minute when nothing else is said", () => {
    const proto = { words: ["x"], input: NOTHING, timeout: undefined };
    expect(parseCommand("command", proto)).toMatchObject({ timeoutMs: 60_000 });
  });

  it.each([
    ["no program", [], "command.words"],
    ["an empty program", ["", "x"], "command.words"],
    ["too many words", new Array(65).fill("x"), "command.words"],
    ["too many bytes", ["x", "ä".repeat(33 * 1024)], "command.words"],
    ["a NUL", ["x", "a\0"], "command.words"],
  ])("are refused with %s", (_, words, field) => {
    const proto = { words: words as string[], input: NOTHING, timeout: undefined };
    expect(() => parseCommand("command", proto)).toThrow(field);
  });
});

describe("what comes of them", () => {
  it.each([
    { kind: "stdout", bytes: Buffer.of(0, 255) },
    { kind: "stderr", bytes: Buffer.of(1) },
    { kind: "exit", code: 137, isCut: true },
  ] as const)("arrives as it was sent: $kind", (output) => {
    expect(parseExecOutput(execOutputToProto(output))).toEqual(output);
  });

  it("may be something that a later version knows", () => {
    expect(parseExecOutput({ output: undefined })).toBeUndefined();
    expect(parseExecOutput(undefined)).toBeUndefined();
  });
});
