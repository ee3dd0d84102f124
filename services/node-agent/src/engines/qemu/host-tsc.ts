/**
 * The rate of this host's time-stamp counter, which an emulated guest (TCG) sees as its own. A
 * microvm has no other clock to measure it against but the interval timer, and Linux gives up on
 * that when the host is busy and then never boots; so it is told. Known only where the counter is
 * constant: from the base frequency of the scaling driver, or, on hosts that do not scale (virtual
 * machines), from the processor's frequency.
 */
import { readFileSync } from "node:fs";

const CPU_INFO = "/proc/cpuinfo";
const BASE_FREQUENCY_KHZ = "/sys/devices/system/cpu/cpu0/cpufreq/base_frequency";
const SCALING = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver";

/** In kHz; undefined when it cannot be known. */
export function hostTscKhz(read: (file: string) => string = readOrEmpty): number | undefined {
  const cpuInfo = read(CPU_INFO);
  if (!/^flags\s*:.*\bconstant_tsc\b/m.test(cpuInfo)) return undefined;
  const base = Number(read(BASE_FREQUENCY_KHZ));
  if (base > 0) return base;
  if (read(SCALING) !== "") return undefined;
  const mhz = Number(/^cpu MHz\s*:\s*([0-9.]+)$/m.exec(cpuInfo)?.[1] ?? 0);
  return mhz > 0 ? Math.round(mhz * 1000) : undefined;
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return "";
  }
}
