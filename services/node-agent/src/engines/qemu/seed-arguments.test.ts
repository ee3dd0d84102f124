import { type CopyLaunch, seedFiles } from "@innkeeper/core";
import { describe, expect, it } from "vitest";
import { qemuArguments } from "./machine.js";
import { seedArguments, seedParts } from "./seed-arguments.js";

const HOSTILE = ",file=/etc/passwd\nlocal-hostname: x";
const SEED = { userDataBase64: btoa(HOSTILE), networkConfigBase64: "" };
const seed = seedFiles(SEED, { guestUid: "uid", guestId: "web" });
const KERNEL = {
  kind: "kernel",
  kernelPath: "/k",
  initrdPath: undefined,
  commandLine: "a",
} as const;

function aLaunch(boot: CopyLaunch["boot"], told: Pick<CopyLaunch, "seed"> = { seed }): CopyLaunch {
  const size = { vcpuCount: 1, cpuMillis: 1000, memoryMib: 64 };
  const disk = { name: "root", sizeMib: 1, path: "/d", format: "raw" as const };
  const disks = boot.kind === "disk" ? [disk] : [];
  return {
    guestUid: "uid",
    epoch: 1,
    mode: "hybrid",
    ...size,
    boot,
    disks,
    isIncoming: false,
    ...told,
  };
}

const TCG = { acceleration: "tcg", tscKhz: undefined } as const;

describe("what a guest is told of itself", () => {
  it("is nothing where nothing is told", () => {
    const launch = aLaunch(KERNEL, {});
    expect(seedParts(launch)).toEqual([]);
    expect(seedArguments(launch, "hybrid")).toEqual([]);
    const args = qemuArguments(launch, { mode: "hybrid", ...TCG });
    expect(args[args.indexOf("-append") + 1]).toBe("a");
  });

  it("are files of the firmware for a kernel, which is told to look", () => {
    const launch = aLaunch(KERNEL);
    expect(seedParts(launch).map(({ name }) => name)).toEqual(["seed.meta-data", "seed.user-data"]);
    const args = qemuArguments(launch, { mode: "hybrid", ...TCG });
    expect(args).toContain("name=opt/org.innkeeper/user-data,file=seed.user-data");
    expect(args[args.indexOf("-append") + 1]).toBe("a innkeeper.seed=1");
    expect(args.join(" ")).not.toContain("/etc/passwd");
  });

  it.each(["full", "hybrid"] as const)("is a volume beside the disk in mode %s", (mode) => {
    const launch = { ...aLaunch({ kind: "disk", commandLine: "" }), mode };
    const [volume] = seedParts(launch);
    expect(volume?.name).toBe("seed.iso");
    expect(Buffer.from(volume?.bytes ?? []).toString("latin1")).toContain(HOSTILE);
    const args = qemuArguments(launch, { mode, ...TCG });
    expect(args.filter((each) => each.includes('"drive":"seed"'))).toHaveLength(1);
    expect(args.join(" ")).not.toContain("local-hostname");
  });
});
