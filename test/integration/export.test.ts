/** A guest's disk as a file and as an image, through the whole cluster on real QEMU. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { PATIENCE, Programs, type Started } from "./programs.js";

const DISK = ["--image", "disk", "--memory", "32MiB", "--cpu", "100m", "--mode", "hybrid"];

let programs: Programs;
let cluster: Started;

beforeEach(async () => {
  programs = new Programs();
  cluster = await programs.up("data", ["--nodes", "2"]);
  await inn("image", "import", path.resolve("images/build/disk/image.json"));
});

afterEach(async () => {
  await programs.dispose();
});

async function inn(...args: readonly string[]): Promise<string> {
  const { code, out, err } = await programs.inn(cluster.address, ...args);
  return code === 0 ? out.trim() : `${code}: ${err.trim()}`;
}

it("is an image that any node boots, and a file that needs no other", async () => {
  const file = path.join(programs.directory, "a.qcow2");
  await inn("guest", "create", "a", ...DISK, "--disk", "4MiB", "--node", "n1");
  expect(await inn("guest", "export", "a", "--to", file)).toMatch(/RUNNING: cannot export/);
  expect(existsSync(file)).toBe(false);
  expect(await inn("guest", "snapshot", "create", "a", "s")).toMatch(/snapshots: s/);
  const imaged = await inn("guest", "export", "a", "--snapshot", "s", "--image", "golden");
  expect(imaged).toMatch(/^image golden made of guest a: sha256 [0-9a-f]{64}$/);
  const golden = ["--image", "golden", ...DISK.slice(2)];
  expect(await inn("guest", "create", "b", ...golden, "--node", "n2")).toMatch(/RUNNING/);
  await vi.waitFor(async () => expect(await inn("guest", "logs", "b")).toMatch(/beat/), PATIENCE);

  expect(await inn("guest", "stop", "a")).toMatch(/STOPPED/);
  expect(await inn("guest", "export", "a", "--to", file)).toMatch(/MiB in .*a\.qcow2$/);
  const info = execFileSync("qemu-img", ["info", "--output=json", file], { encoding: "utf8" });
  expect(JSON.parse(info)).toMatchObject({ "virtual-size": 4 * 2 ** 20, format: "qcow2" });
  expect(info).not.toContain("backing-filename");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(programs.directory).filter((name) => name.endsWith(".part"))).toEqual([]);
  const exports = path.join(programs.directory, "data", "nodes", "n1", "disks", "exports");
  expect(readdirSync(exports)).toEqual([]);
});

it("is refused where there is nothing to export, or no guest could boot from it", async () => {
  const file = path.join(programs.directory, "x");
  const small = ["--image", "tiny", "--mode", "hybrid", "--memory", "32MiB", "--cpu", "100m"];
  await inn("guest", "create", "bare", ...small);
  await inn("guest", "stop", "bare");
  expect(await inn("guest", "export", "bare", "--to", file)).toMatch(/it has no disk.*NO_EXPORT/);
  expect(await inn("guest", "export", "bare", "--image", "x")).toMatch(
    /its disk alone is no image/,
  );
  expect(await inn("guest", "export", "bare")).toMatch(/one of the two/);
  const unknown = await inn("guest", "export", "bare", "--to", file, "--snapshot", "s");
  expect(unknown).toMatch(/SNAPSHOT_NOT_FOUND/);
});
