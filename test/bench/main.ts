/** `npm run bench -- NAME [CASE...]`: runs one benchmark; the last line is one JSON object. */
import { cluster } from "./cluster/cluster.js";
import { failover } from "./failover.js";
import { guestStart } from "./guest-start.js";
import { migration } from "./migration/migration.js";
import { modes } from "./modes.js";
import { packing } from "./packing/packing.js";
import { placement } from "./placement.js";
import { rebalance } from "./rebalance/rebalance.js";
import { type Bench, table } from "./report.js";
import { store } from "./store.js";

const BENCHES: readonly Bench[] = [
  cluster,
  failover,
  guestStart,
  migration,
  modes,
  packing,
  placement,
  rebalance,
  store,
];

async function main(): Promise<void> {
  const [, , name, ...only] = process.argv;
  const bench = BENCHES.find((each) => each.name === name);
  if (bench === undefined) {
    const known = BENCHES.map((each) => `  ${each.name}: ${each.about}`).join("\n");
    process.stderr.write(`usage: npm run bench -- NAME [CASE...]\n${known}\n`);
    process.exitCode = 2;
    return;
  }
  const results = await bench.run((line) => process.stderr.write(`${line}\n`), only);
  process.stdout.write(`${table(results)}\n`);
  process.stdout.write(`${JSON.stringify({ bench: bench.name, results })}\n`);
}

await main();
