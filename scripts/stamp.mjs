/** Does work only when what it depends on has changed since it was last done. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "./run.mjs";

/** `stampFile` holds the key of the last success. Returns true when the work was done now. */
export function unlessStamped(stampFile, key, work) {
  const file = path.resolve(ROOT, stampFile);
  if (readStamp(file) === key) return false;
  work();
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, key);
  return true;
}

function readStamp(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
