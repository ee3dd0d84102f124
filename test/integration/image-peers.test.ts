/** Agents give each other the blobs of images: a controller that has lost them is not needed. */
import { readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Programs, type Started } from "./programs.js";

const TINY = fileURLToPath(new URL("../../images/build/tiny/image.json", import.meta.url));
const SIZE = ["--image", "tiny", "--memory", "32MiB", "--cpu", "100m"];

let programs: Programs;
let controller: Started;

beforeEach(async () => {
  programs = new Programs();
  controller = await programs.controller();
  for (const nodeId of ["n1", "n2"]) await programs.agent(nodeId, controller.address);
  expect((await inn("image", "import", TINY)).code).toBe(0);
});

afterEach(async () => {
  await programs.dispose();
});

function inn(...args: readonly string[]) {
  return programs.inn(controller.address, ...args);
}

function blobDirectory(owner: string): string {
  return path.join(programs.directory, owner, "blobs");
}

function blobsOf(owner: string): string[] {
  return readdirSync(blobDirectory(owner)).filter((name) => name !== "partial");
}

it("fetches an image from the node that runs it", async () => {
  expect((await inn("guest", "create", "a", ...SIZE, "--node", "n1")).code).toBe(0);
  expect(blobsOf("n2")).toEqual([]);
  for (const name of blobsOf("controller")) rmSync(path.join(blobDirectory("controller"), name));
  expect((await inn("guest", "create", "b", ...SIZE, "--node", "n2")).code).toBe(0);
  expect(blobsOf("n2")).toEqual(blobsOf("n1"));
  expect(blobsOf("n2")).toHaveLength(1);
});
