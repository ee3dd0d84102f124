import { describe, expect, it } from "vitest";
import { createTerminal, type OutputFormat } from "./terminal.js";

describe("results", () => {
  const json = { name: "g1", labels: { a: "b" } };

  it.each<[OutputFormat, string]>([
    ["table", "text\n"],
    ["json", `${JSON.stringify(json, undefined, 2)}\n`],
    ["yaml", "name: g1\nlabels:\n  a: b\n"],
  ])("go to standard output as %s", (format, expected) => {
    const { terminal, out, err } = aTerminal({ format });
    terminal.result("text", json);
    expect([out.text, err.text]).toEqual([expected, ""]);
  });

  it("of the console are written byte by byte", () => {
    const { terminal, out } = aTerminal({});
    terminal.write(Buffer.from("a\r\n"));
    expect(out.text).toBe("a\r\n");
  });
});

describe("progress", () => {
  it("is one line that is overwritten on a terminal", () => {
    const { terminal, out, err } = aTerminal({ isTTY: true });
    terminal.progress("one");
    terminal.progress("one");
    terminal.progress("two");
    terminal.endProgress();
    terminal.endProgress();
    expect(err.text).toBe("\r\u001b[Kone\r\u001b[Ktwo\n");
    expect(out.text).toBe("");
  });

  it("is plain lines elsewhere, each once, without control characters", () => {
    const { terminal, err } = aTerminal({});
    for (const line of ["one", "one", "two"]) terminal.progress(line);
    terminal.endProgress();
    expect(err.text).toBe("one\ntwo\n");
  });

  it("ends before a note", () => {
    const { terminal, err } = aTerminal({ isTTY: true });
    terminal.progress("half");
    terminal.note("done");
    expect(err.text).toBe("\r\u001b[Khalf\ndone\n");
  });
});

class Sink {
  text = "";

  constructor(readonly isTTY: boolean) {}

  write(data: string | Uint8Array): boolean {
    this.text += typeof data === "string" ? data : Buffer.from(data).toString();
    return true;
  }
}

function aTerminal(options: { readonly format?: OutputFormat; readonly isTTY?: boolean }) {
  const { format = "table", isTTY = false } = options;
  const [out, err] = [new Sink(false), new Sink(isTTY)];
  const stream = (sink: Sink): NodeJS.WriteStream => sink as unknown as NodeJS.WriteStream;
  return { terminal: createTerminal(format, { out: stream(out), err: stream(err) }), out, err };
}
