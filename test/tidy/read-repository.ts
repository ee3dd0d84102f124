/** The files of the repository: what git keeps, and what is new and not ignored. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import type { RepositoryFile } from "./rule.js";

export function readRepository(root: string): readonly RepositoryFile[] {
  const options = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
  const names = execFileSync("git", options, { cwd: root, encoding: "utf8" }).split("\0");
  return names
    .filter((name) => name !== "" && existsSync(path.join(root, name)))
    .map((name) => ({ path: name, text: readFileSync(path.join(root, name), "utf8") }));
}
