/** Where the files are that set-up built: images, service descriptions. */
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { precondition } from "@innkeeper/core";

/** The repository, seen from `dist/inn.js` or from the sources. */
export function installationRoot(): string {
  let directory = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(directory, "proto", "innkeeper"))) {
    const parent = path.dirname(directory);
    if (parent === directory) throw missing("the installation", directory);
    directory = parent;
  }
  return directory;
}

/** @throws `precondition` saying what to run. */
export function installedFile(...parts: readonly string[]): string {
  const file = path.join(installationRoot(), ...parts);
  if (!existsSync(file)) throw missing(parts.join("/"), file);
  return file;
}

function missing(what: string, file: string) {
  const message = `${what} is missing (${file}): run "npm run setup"`;
  return precondition("NOT_SET_UP", message, { file });
}
