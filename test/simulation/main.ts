/**
 * `npm run sim -- --seeds N [--start S] | --seed S [--trace]`: simulates whole clusters, one for
 * each seed.
 */
import { parseArgs } from "node:util";
import { repeatCommand, runSeed, type SeedResult } from "./run-seed.js";

const USAGE = "usage: npm run sim -- --seeds N [--start S] | --seed S   [--trace]\n";
const SEEDS_DEFAULT = 100;

async function main(): Promise<number> {
  const range = readRange();
  if (range === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  const { first, count, isTraced } = range;
  const print = isTraced ? (line: string) => process.stdout.write(`${line}\n`) : undefined;
  const failed: number[] = [];
  for (let seed = first; seed < first + count; seed += 1) {
    const result = await runSeed(seed, { print });
    process.stdout.write(`${describe(result)}\n`);
    if (result.failure !== undefined) failed.push(seed);
  }
  process.stdout.write(`${count - failed.length} of ${count} seeds passed\n`);
  return failed.length === 0 ? 0 : 1;
}

function readRange(): { first: number; count: number; isTraced: boolean } | undefined {
  try {
    const { values } = parseArgs({
      options: {
        seeds: { type: "string", default: String(SEEDS_DEFAULT) },
        start: { type: "string", default: "1" },
        seed: { type: "string" },
        trace: { type: "boolean", default: false },
      },
    });
    const first = Number(values.seed ?? values.start);
    const count = values.seed === undefined ? Number(values.seeds) : 1;
    const isValid = Number.isSafeInteger(first) && Number.isSafeInteger(count) && count > 0;
    return isValid ? { first, count, isTraced: values.trace } : undefined;
  } catch {
    return undefined;
  }
}

function describe({ seed, hash, eventCount, virtualMs, failure }: SeedResult): string {
  const seconds = Math.round(virtualMs / 1000);
  const said = `seed ${seed}: ${eventCount} events, ${seconds} s of virtual time, trace ${hash}`;
  if (failure === undefined) return said;
  return `${said}\n  ${failure.stack ?? failure.message}\n  repeat with: ${repeatCommand(seed)}`;
}

process.exitCode = await main();
