import { describe, expect, it } from "vitest";
import { exitOf, parseEnd } from "./exit-reason.js";

const SIGKILL = 9;
const SIGSEGV = 11;

describe("why a container ended", () => {
  const ended = { end: { code: 0, signal: 0 }, oomKills: 0, isDestroyed: false };
  it.each([
    ["an end without fault", ended, /^guest-shutdown: the guest's first process ended$/],
    ["a failure", { ...ended, end: { code: 3, signal: 0 } }, /^guest-exit: .* with exit code 3$/],
    ["a crash", { ...ended, end: { code: 0, signal: SIGSEGV } }, /^guest-exit: .* by SIGSEGV$/],
    ["a kill", { ...ended, end: { code: 0, signal: SIGKILL } }, /^killed: .* by SIGKILL$/],
    [
      "a kill by the kernel for want of memory",
      { ...ended, end: { code: 0, signal: SIGKILL }, oomKills: 1 },
      /^out-of-memory: the guest took more memory than it has$/,
    ],
    [
      "a failure after a child was killed for want of memory",
      { ...ended, end: { code: 1, signal: 0 }, oomKills: 2 },
      /^guest-exit: .* with exit code 1; it had run out of memory 2 times$/,
    ],
    ["an end that nobody noted", { ...ended, end: undefined }, /^killed: .* were killed$/],
    ["our own doing", { ...ended, isDestroyed: true }, /^destroyed: the copy was destroyed$/],
  ])("%s", (...[, container, exit]) => {
    const { reason, message } = exitOf(container);
    expect(`${reason}: ${message}`).toMatch(exit);
  });
});

describe("the holder's note", () => {
  it("is read as it is written, and nothing else is", () => {
    expect(parseEnd('{"code":7,"signal":0}')).toEqual({ code: 7, signal: 0 });
    expect(parseEnd("")).toBeUndefined();
    expect(parseEnd('{"code":7,')).toBeUndefined();
    expect(parseEnd("null")).toBeUndefined();
  });
});
