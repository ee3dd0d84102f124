/**
 * Generates TypeScript and the service descriptions from `proto/`; nothing when they are current.
 */
import path from "node:path";
import { hashOf, ROOT, run, say } from "./run.mjs";
import { unlessStamped } from "./stamp.mjs";

export function generate() {
  const sources = ["proto/innkeeper", "proto/google", "proto/buf.yaml", "proto/buf.gen.yaml"];
  const key = hashOf([...sources, "scripts/gen.mjs"]);
  unlessStamped("proto/gen/.stamp", key, () => {
    say("generating code from proto/");
    const cwd = path.join(ROOT, "proto");
    const buf = path.join(ROOT, "node_modules", ".bin", "buf");
    run(buf, ["generate"], { cwd });
    run(buf, ["build", "--as-file-descriptor-set", "-o", "gen/descriptors.binpb"], { cwd });
  });
}

if (process.argv[1] === import.meta.filename) generate();
