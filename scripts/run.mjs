/** Starts other programs for the scripts beside this file. Progress goes to standard error. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));

export function say(line) {
  process.stderr.write(`${line}\n`);
}

/** Ends the script with one line; `code` 3 means: something must be installed first. */
export function stop(line, code = 1) {
  say(line);
  process.exit(code);
}

/**
 * Runs a program without a shell; gives its standard output. Ends the script with its output when
 * it fails.
 */
export function run(program, args, options = {}) {
  const result = tryRun(program, args, options);
  if (result.status === 0) return result.stdout;
  const why = result.error?.message ?? `exit code ${result.status}`;
  return stop(`${program} ${args.join(" ")}: ${why}\n${result.stdout}${result.stderr}`);
}

export function tryRun(program, args, options = {}) {
  const defaults = { cwd: ROOT, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 };
  return spawnSync(program, args, { ...defaults, ...options });
}

/** The file of a program on the PATH, also in the directories that only root has there. */
export function findProgram(name) {
  const directories = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/sbin"];
  return directories.map((each) => path.join(each, name)).find(isExecutable);
}

/** sha256 over the names and bytes of files; directories are walked. */
export function hashOf(entries) {
  const hash = createHash("sha256");
  for (const file of entries.flatMap(filesBelow)) {
    hash
      .update(`${path.relative(ROOT, file)}\0`)
      .update(readFileSync(file))
      .update("\0");
  }
  return hash.digest("hex");
}

function filesBelow(entry) {
  const full = path.resolve(ROOT, entry);
  if (!existsSync(full)) return [];
  if (!statSync(full).isDirectory()) return [full];
  return readdirSync(full)
    .sort()
    .flatMap((name) => filesBelow(path.join(full, name)));
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
