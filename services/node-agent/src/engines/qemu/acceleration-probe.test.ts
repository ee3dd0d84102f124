import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type CopyLaunch, type EngineCopy, unavailable } from "@innkeeper/core";
import { FakeClock } from "@innkeeper/core/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ProbeParts, probeAcceleration } from "./acceleration-probe.js";
import type { QemuAcceleration } from "./modes.js";

const MODES = ["hybrid", "paravirt", "full"];
/** As short as can be: virtual time stands still until a guest has spoken. */
const TIMES = { hybrid: 10, paravirt: 10, full: 10 };
const UP = "innkeeper-guest: up tiny\n";

let directory: string;
let clock: FakeClock;
let tried: string[];
let left: number;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), "inn-probe-"));
  writeFileSync(path.join(directory, "kernel"), "tiny");
  writeFileSync(path.join(directory, "disk"), "tiny");
  clock = new FakeClock();
  tried = [];
  left = 0;
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

type Says = (launch: CopyLaunch, acceleration: QemuAcceleration) => string;

/** A host with KVM, whose guests say what the test wants. */
function aHost(says: Says, parts: Partial<ProbeParts> = {}): ProbeParts {
  return {
    clock,
    kernelPath: path.join(directory, "kernel"),
    diskPath: path.join(directory, "disk"),
    cacheFile: undefined,
    version: "7.2",
    hasKvm: () => Promise.resolve(true),
    launch: async (launch, acceleration) => {
      tried.push(`${acceleration} ${launch.mode}`);
      const bytes = Buffer.from(says(launch, acceleration));
      left += 1;
      const copy: Pick<EngineCopy, "readConsole" | "destroy" | "ended"> = {
        ended: new Promise(() => undefined),
        readConsole: () => Promise.resolve({ bytes, nextOffset: bytes.length }),
        destroy: () => {
          left -= 1;
          return Promise.resolve();
        },
      };
      return copy as EngineCopy;
    },
    ...parts,
  };
}

/** Lets virtual time pass, and files be read meanwhile, until the probe has ended. */
async function probed(parts: ProbeParts) {
  const result = probeAcceleration(parts);
  let isDone = false;
  void result.finally(() => {
    isDone = true;
  });
  while (!isDone) {
    await clock.advance(50);
  }
  return await result;
}

describe("the probe", () => {
  it("takes the first acceleration under which a guest speaks, in each mode", async () => {
    const result = await probed(aHost(() => UP));
    expect(result).toEqual({ acceleration: "kvm", modes: MODES, startMs: TIMES, problems: [] });
    expect(tried).toEqual(["kvm hybrid", "kvm paravirt", "kvm full"]);
    expect(left).toBe(0);
  });

  it("does not trust an acceleration whose guest starts and stays silent", async () => {
    const result = await probed(aHost((_, acceleration) => (acceleration === "kvm" ? "" : UP)));
    expect(result).toEqual({
      acceleration: "tcg",
      modes: MODES,
      startMs: TIMES,
      problems: ["kvm in hybrid mode: a guest said nothing within 2000 ms"],
    });
    expect(tried).toEqual(["kvm hybrid", "tcg hybrid", "tcg paravirt", "tcg full"]);
    expect(left).toBe(0);
  });

  it("does not trust a firmware that speaks while the guest does not", async () => {
    const result = await probed(aHost((_, kind) => (kind === "kvm" ? "SeaBIOS\n" : UP)));
    expect(result.acceleration).toBe("tcg");
  });

  it("tells why QEMU could not start", async () => {
    const parts = aHost((_, acceleration) => {
      if (acceleration === "kvm") throw unavailable("engine", "kvm_buf_set_msrs failed");
      return UP;
    });
    const { acceleration, problems } = await probed(parts);
    expect(acceleration).toBe("tcg");
    expect(problems).toEqual([
      expect.stringMatching(/^kvm in hybrid mode: .*kvm_buf_set_msrs failed$/),
    ]);
  });

  it("says so when the host has no KVM, and does not try", async () => {
    const hasKvm = (): Promise<boolean> => Promise.resolve(false);
    const { acceleration, problems } = await probed(aHost(() => UP, { hasKvm }));
    expect(acceleration).toBe("tcg");
    expect(problems).toEqual(["kvm: /dev/kvm is absent or closed to the users of guests"]);
    expect(tried).toEqual(["tcg hybrid", "tcg paravirt", "tcg full"]);
  });

  it("offers the modes that work when another one does not", async () => {
    const { modes, problems } = await probed(
      aHost(({ mode }, acceleration) => (acceleration === "tcg" && mode === "paravirt" ? UP : "")),
    );
    expect(modes).toEqual(["paravirt"]);
    expect(problems).toContain("tcg in hybrid mode: a guest said nothing within 15000 ms");
  });

  it("finds nothing on a host that runs nothing, with every reason", async () => {
    const result = await probed(aHost(() => ""));
    expect(result.acceleration).toBeUndefined();
    expect(result.modes).toEqual([]);
    expect(result.problems).toHaveLength(4);
    expect(left).toBe(0);
  });
});

describe("a kept result", () => {
  it("is used again while QEMU, guest and boot are the same", async () => {
    const parts = aHost(() => UP, { cacheFile: path.join(directory, "deep", "cache.json") });
    const first = await probed(parts);
    tried = [];
    expect(await probed(parts)).toEqual(expect.objectContaining(first));
    expect(tried).toEqual([]);
  });

  it("is not used for another QEMU or another guest", async () => {
    const cacheFile = path.join(directory, "cache.json");
    await probed(aHost(() => UP, { cacheFile }));
    tried = [];
    await probed(aHost(() => UP, { cacheFile, version: "8.0" }));
    expect(tried).toHaveLength(3);
    writeFileSync(path.join(directory, "kernel"), "another");
    await probed(aHost(() => UP, { cacheFile, version: "8.0" }));
    expect(tried).toHaveLength(6);
  });

  it("is not kept when nothing works: the host may be mended", async () => {
    const cacheFile = path.join(directory, "cache.json");
    await probed(aHost(() => "", { cacheFile }));
    expect(existsSync(cacheFile)).toBe(false);
  });

  it.each(["", "{", "null", "[]", '{"key":7}'])("that is broken (%j) is not used", async (text) => {
    const cacheFile = path.join(directory, "cache.json");
    writeFileSync(cacheFile, text);
    const { acceleration } = await probed(aHost(() => UP, { cacheFile }));
    expect(acceleration).toBe("kvm");
    expect(tried).toHaveLength(3);
  });
});
