/** Values of command-line options. A refusal names the option and what is allowed. */
import { invalidField } from "@innkeeper/core";

const MIB_OF: Readonly<Record<string, number>> = {
  "": 1,
  MIB: 1,
  M: 1,
  GIB: 1024,
  G: 1024,
  TIB: 1024 ** 2,
};

/** "128MiB", "2GiB", "512" (MiB) → MiB. */
export function parseMib(option: string, text: string): number {
  const [, amount = "", unit = ""] = /^([0-9]{1,12}(?:\.[0-9]+)?)\s*([A-Za-z]*)$/.exec(text) ?? [];
  const factor = MIB_OF[unit.toUpperCase()];
  const mib = Number(amount) * (factor ?? Number.NaN);
  if (amount === "" || !Number.isSafeInteger(mib)) {
    throw invalidField(option, text, "a whole number of MiB, such as 128MiB or 2GiB");
  }
  return mib;
}

/** "logs:1GiB" → a disk. */
export function parseDisk(option: string, text: string): { name: string; sizeMib: number } {
  const [, name = "", size = ""] = /^([^:]+):(.+)$/.exec(text) ?? [];
  if (name === "") throw invalidField(option, text, "NAME:SIZE, such as logs:1GiB");
  return { name, sizeMib: parseMib(option, size) };
}

/** "1", "0.5", "1500m" → thousandths of a CPU. */
export function parseCpu(option: string, text: string): number {
  const [, amount = "", milli = ""] = /^([0-9]{1,9}(?:\.[0-9]{1,3})?)(m?)$/.exec(text) ?? [];
  const millis = milli === "m" ? Number(amount) : Math.round(Number(amount) * 1000);
  if (amount === "" || !Number.isSafeInteger(millis)) {
    throw invalidField(option, text, "CPUs such as 1, 0.5 or 500m");
  }
  return millis;
}

/** "250ms", "10s", "5m", "1h" → milliseconds. */
export function parseMs(option: string, text: string): number {
  const factors: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  const [, amount = "", unit = ""] = /^([0-9]{1,9})(ms|s|m|h)$/.exec(text) ?? [];
  if (amount === "") throw invalidField(option, text, "a duration such as 250ms, 10s or 5m");
  return Number(amount) * (factors[unit] ?? 0);
}

/** "a=b" pairs → record. */
export function parsePairs(option: string, texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf("=");
      if (at < 1) throw invalidField(option, text, "key=value");
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

/** "tcp:2222:22", "udp:53", "22" → a forward; host port 0 = the cluster chooses. */
export function parseForward(
  option: string,
  text: string,
): { readonly protocol: string; readonly hostPort: number; readonly guestPort: number } {
  const [, protocol = "tcp", first = "", second] =
    /^(?:(tcp|udp):)?([0-9]{1,5})(?::([0-9]{1,5}))?$/.exec(text) ?? [];
  if (first === "") {
    throw invalidField(option, text, "[tcp|udp:][PORT OF THE NODE:]PORT OF THE GUEST");
  }
  const [hostPort, guestPort] = second === undefined ? ["0", first] : [first, second];
  return { protocol, hostPort: Number(hostPort), guestPort: Number(guestPort) };
}

export function parseSigned(option: string, text: string): number {
  if (!/^-?[0-9]{1,9}$/.test(text)) throw invalidField(option, text, "a whole number");
  return Number(text);
}

/** "1%", "0.25%" → hundredths of a percent. */
export function parsePercent(option: string, text: string): number {
  const [, amount = ""] = /^([0-9]{1,3}(?:\.[0-9]{1,2})?) ?%$/.exec(text) ?? [];
  if (amount === "") throw invalidField(option, text, "a percentage such as 1% or 0.25%");
  return Math.round(Number(amount) * 100);
}

export function parseCount(option: string, text: string): number {
  if (!/^[0-9]{1,15}$/.test(text)) throw invalidField(option, text, "a whole number");
  return Number(text);
}
