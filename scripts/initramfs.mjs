/** What initial RAM file systems are made of: a busybox, and the archive. */
import { copyFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { findProgram, run, stop } from "./run.mjs";

/** Everything below `root`, the same bytes for the same files. */
export function packInitramfs(root, output) {
  const files = readdirSync(root, { recursive: true }).map(String).sort();
  const options = ["--quiet", "-o", "-H", "newc", "-R", "0:0", "--reproducible"];
  const input = Buffer.from(files.join("\n"));
  writeFileSync(output, run("cpio", options, { cwd: root, input, encoding: "buffer" }));
}

/** With a link for each of its programs. */
export function installBusybox(directory) {
  const busybox = findProgram("busybox") ?? stop("busybox is missing");
  copyFileSync(busybox, path.join(directory, "busybox"));
  const applets = run(busybox, ["--list"]).split("\n");
  for (const name of applets.filter((each) => each !== "" && each !== "busybox")) {
    symlinkSync("busybox", path.join(directory, name));
  }
}
