/**
 * Templates: a machine of an image, mode and size that has booted, waits to become somebody, and is
 * kept by a node; guests begin from it instead of booting.
 */
import { type DataDisk, isSameDisks } from "./disk.js";
import type { GuestSpec } from "./guest.js";
import { vcpuCount } from "./guest.js";
import type { Image } from "./image.js";
import type { EngineName, Mode } from "./mode.js";

/** What a template and a guest that begins from it have in common. */
export interface TemplateMachine {
  readonly imageDigest: string;
  readonly vcpuCount: number;
  readonly memoryMib: number;
  /** Of its blank first disk; 0 = none. */
  readonly diskMib: number;
  /** Blank ones beside it; absent = none. */
  readonly dataDisks?: readonly DataDisk[];
  /** The guest's own part of the kernel command line. */
  readonly commandLine: string;
}

/** A template that a node has. */
export interface NodeTemplate extends TemplateMachine {
  readonly engine: EngineName;
  readonly mode: Mode;
  /** From launch until a guest has its identity: measured, and rounded up. */
  readonly startMs: number;
}

/** What a node keeps is far less: each takes the memory of a guest on its disk. */
export const NODE_TEMPLATES_MAX = 64;

/** The machine that a guest may begin from, or why it has to boot. */
export type TemplateChoice =
  | { readonly machine: TemplateMachine; readonly why?: undefined }
  | { readonly machine?: undefined; readonly why: string };

/**
 * Who asks for a quick start begins from a template, if the guest can become somebody while it
 * runs.
 */
export function templateChoice(
  spec: Pick<
    GuestSpec,
    "needs" | "isBridged" | "seed" | "dataDisks" | "resources" | "commandLine" | "imageId"
  >,
  { digest, manifest }: Pick<Image, "digest" | "manifest">,
): TemplateChoice {
  const { needs, isBridged, seed, dataDisks = [], resources, commandLine, imageId } = spec;
  if (needs.startWithinMs === undefined) return { why: "it does not ask for a quick start" };
  if (manifest.takesIdentity !== true) {
    return { why: `guests of image ${imageId} cannot take an identity while they run` };
  }
  if (isBridged === true && (seed?.networkConfigBase64 ?? "") !== "") {
    return { why: "it is on a bridge and has a network configuration of its own" };
  }
  const { memoryMib, diskMib } = resources;
  const size = { vcpuCount: vcpuCount(resources), memoryMib, diskMib };
  const beside = dataDisks.length > 0 ? { dataDisks } : {};
  return { machine: { imageDigest: digest, ...size, ...beside, commandLine } };
}

export function isTemplateOf(template: TemplateMachine, machine: TemplateMachine): boolean {
  return (
    template.imageDigest === machine.imageDigest &&
    template.vcpuCount === machine.vcpuCount &&
    template.memoryMib === machine.memoryMib &&
    template.diskMib === machine.diskMib &&
    isSameDisks(template.dataDisks, machine.dataDisks) &&
    template.commandLine === machine.commandLine
  );
}
