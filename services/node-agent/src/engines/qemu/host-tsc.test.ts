import { expect, it } from "vitest";
import { hostTscKhz } from "./host-tsc.js";

const CONSTANT = "flags\t\t: fpu constant_tsc sse\ncpu MHz\t\t: 2399.998\n";
const BASE = "/sys/devices/system/cpu/cpu0/cpufreq/base_frequency";
const DRIVER = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver";

it.each<[string, Record<string, string>, number | undefined]>([
  ["the processor's frequency on a host that does not scale", {}, 2_399_998],
  ["the base frequency where the host knows it", { [BASE]: "2100000" }, 2_100_000],
  ["nothing where the frequency of the moment says nothing", { [DRIVER]: "acpi" }, undefined],
  ["nothing where the counter is not constant", { "/proc/cpuinfo": "flags : fpu\n" }, undefined],
  ["nothing where it is only called alike", { "/proc/cpuinfo": "x: constant_tsc" }, undefined],
  ["nothing without a processor's description", { "/proc/cpuinfo": "" }, undefined],
  ["nothing without a frequency", { "/proc/cpuinfo": "flags : constant_tsc\n" }, undefined],
])("tells %s", (_, files, khz) => {
  const all: Record<string, string> = { "/proc/cpuinfo": CONSTANT, ...files };
  expect(hostTscKhz((file) => all[file] ?? "")).toBe(khz);
});

it("reads this host without failing", () => {
  const khz = hostTscKhz();
  expect(khz === undefined || (khz > 100_000 && khz < 10_000_000)).toBe(true);
});
