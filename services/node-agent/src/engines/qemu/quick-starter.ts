/**
 * Guests that begin from templates, and the making of these. A guest for which there is none boots,
 * and one is made beside it for the next.
 *
 * N1 A copy that begins from a template has said that it took its identity, or it is ended.
 * N2 A template is offered only after a guest has begun from it; how long that took is what is
 *    told.
 * N3 When a guest cannot begin from a template, but boots, the template is thrown away.
 */
import { randomUUID } from "node:crypto";
import { truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import {
  assert,
  type Clock,
  type CopyDisk,
  type EngineTemplates,
  type Logger,
  type NodeTemplate,
  toDomainError,
  unavailable,
} from "@innkeeper/core";
import { roundedStart } from "../rounded-start.js";
import { availableMemoryMib } from "./available-memory.js";
import { saysInTime } from "./console-words.js";
import type { QemuCopy } from "./qemu-copy.js";
import {
  hostKey,
  machineOf,
  type QuickLaunch,
  type TemplateHost,
  templateKey,
} from "./template-key.js";
import { TemplateShelf, type TemplateShelfOptions } from "./template-shelf.js";

/** What images print: see images/linux/init and take-identity.S. */
const IS_TEMPLATE = "innkeeper-guest: template";
const HAS_IDENTITY = "innkeeper-guest: identity taken";
const TEMPLATE_TIMEOUT_MS = 300_000;
const IDENTITY_TIMEOUT_MS = 15_000;
/** What a kernel still does by itself after its first program waits. */
const SETTLE_MS = 300;
/** The middle one is what is told. */
const TRIES = 3;
const FAILURES_MAX = 3;
const MIB = 1024 * 1024;

/** The part that a template has in a launch: it is made, or begun from. */
export type TemplateUse =
  | { readonly role: "made"; readonly statePath?: undefined }
  | { readonly role: "used"; readonly statePath: string };

export interface QuickStarterParts {
  readonly shelf: Omit<TemplateShelfOptions, "log">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly launch: (launch: QuickLaunch, template?: TemplateUse) => Promise<QemuCopy>;
}

export class QuickStarter implements EngineTemplates {
  readonly #shelf: TemplateShelf;
  readonly #wanted = new Set<string>();
  readonly #failures = new Map<string, number>();
  #host: TemplateHost | undefined;
  #last: Promise<void> = Promise.resolve();
  readonly #closing = new AbortController();
  #onChange: () => void = () => undefined;

  constructor(private readonly parts: QuickStarterParts) {
    this.#shelf = new TemplateShelf({ ...parts.shelf, log: parts.log });
  }

  /** Looks beside all else at what an earlier process left: until then, guests boot. */
  open(host: Omit<TemplateHost, "key">): void {
    const key = hostKey(host);
    const opened = this.#last.then(() => this.#shelf.open(key));
    this.#last = opened.then(
      () => {
        this.#host = { ...host, key };
        this.#onChange();
      },
      (error: unknown) => this.parts.log.warn({ error }, "there is no place for templates"),
    );
  }

  get isOpen(): boolean {
    return this.#host !== undefined;
  }

  list(): readonly NodeTemplate[] {
    return this.#shelf.list();
  }

  onChange(listener: () => void): void {
    this.#onChange = listener;
  }

  /** Makes no more templates. What there is of one that is being made, the next process sweeps. */
  close(): void {
    this.#closing.abort();
  }

  async launch(launch: QuickLaunch): Promise<QemuCopy> {
    const { clock } = this.parts;
    assert(
      this.#host !== undefined,
      "guests begin from templates once it is known which there are",
    );
    const key = templateKey(this.#host, launch);
    const statePath = this.#shelf.use(key, clock.nowMs());
    if (statePath === undefined) {
      const copy = await this.parts.launch(launch);
      this.#want(key, launch);
      return copy;
    }
    try {
      return await this.#begin(launch, statePath);
    } catch (error) {
      return await this.#bootInstead(launch, key, error);
    }
  }

  /** A guest that does not boot either says nothing against the template (N3). */
  async #bootInstead(launch: QuickLaunch, key: string, error: unknown): Promise<QemuCopy> {
    const { guestUid, epoch } = launch;
    const { message: why } = toDomainError(error);
    const copy = await this.parts.launch(launch);
    this.parts.log.warn({ guestUid, epoch, why }, "a template is damaged: the guest boots");
    await this.#shelf.remove(key);
    this.#onChange();
    this.#want(key, launch);
    return copy;
  }

  /** Nothing limits its processors until it is somebody: most of that time is QEMU's. */
  async #begin(launch: QuickLaunch, statePath: string): Promise<QemuCopy> {
    const { clock } = this.parts;
    const whole = { ...launch, cpuMillis: 1000 * launch.vcpuCount };
    const copy = await this.parts.launch(whole, { role: "used", statePath });
    const said = { text: HAS_IDENTITY, withinMs: IDENTITY_TIMEOUT_MS };
    if (await saysInTime(copy, clock, said)) {
      copy.capCpu(launch.cpuMillis);
      return copy;
    }
    await copy.destroy();
    const { reason, message } = await copy.ended;
    const why = reason === "destroyed" ? `within ${IDENTITY_TIMEOUT_MS} ms` : `: ${message}`;
    throw unavailable("engine", `the guest did not take its identity ${why}`);
  }

  /** One is made at a time. */
  #want(key: string, launch: QuickLaunch): void {
    const isHopeless = (this.#failures.get(key) ?? 0) >= FAILURES_MAX;
    if (this.#shelf.isOff || this.#wanted.has(key) || isHopeless) return;
    this.#wanted.add(key);
    this.#last = this.#last.then(async () => {
      try {
        if (!this.#closing.signal.aborted) await this.#make(key, launch);
      } catch (error) {
        this.#failures.set(key, (this.#failures.get(key) ?? 0) + 1);
        this.parts.log.warn({ error }, "a template cannot be made");
        await this.#shelf.drop(key);
        await this.#shelf.remove(key);
      }
      this.#wanted.delete(key);
    });
  }

  async #make(key: string, launch: QuickLaunch): Promise<void> {
    const { clock, log } = this.parts;
    const { memoryMib } = launch;
    if (!(await this.#shelf.hasSpace(memoryMib))) throw noRoom("disk", memoryMib);
    if (availableMemoryMib() < 2 * memoryMib) throw noRoom("memory", memoryMib);
    const { directory, statePath } = await this.#shelf.begin(key);
    await this.#bootAndSave(await nobody(launch, directory), statePath);
    const tookMs: number[] = [];
    for (let round = 0; round < TRIES; round += 1) {
      tookMs.push(await this.#tryOut(await nobody(launch, directory), statePath));
    }
    const startMs = roundedStart(tookMs.sort((a, b) => a - b)[TRIES >> 1] as number);
    const template = { ...machineOf(launch), startMs };
    if (!(await this.#shelf.keep(key, template, clock.nowMs()))) throw noRoom("limit", memoryMib);
    log.info({ ...template, tookMs }, "a template is ready");
    this.#onChange();
  }

  async #bootAndSave(launch: QuickLaunch, statePath: string): Promise<void> {
    const { clock } = this.parts;
    const copy = await this.parts.launch(launch, { role: "made" });
    try {
      const { signal } = this.#closing;
      const said = { text: IS_TEMPLATE, withinMs: TEMPLATE_TIMEOUT_MS, signal };
      if (!(await saysInTime(copy, clock, said))) throw neverWaited();
      await new Promise<void>((resolve) => {
        clock.schedule(SETTLE_MS, resolve);
      });
      await copy.saveState(statePath);
    } finally {
      await copy.destroy();
    }
  }

  /** How long it took until it had its identity, in milliseconds (N2). */
  async #tryOut(launch: QuickLaunch, statePath: string): Promise<number> {
    const { clock } = this.parts;
    const startedMs = clock.monotonicMs();
    const copy = await this.#begin(launch, statePath);
    const tookMs = clock.monotonicMs() - startedMs;
    await copy.destroy();
    return tookMs;
  }
}

/** The same machine, of no guest: blank disks, no way in, nothing told. */
async function nobody(launch: QuickLaunch, directory: string): Promise<QuickLaunch> {
  const { network: _network, seed: _seed, limits: _limits, ...rest } = launch;
  const disks: CopyDisk[] = [];
  for (const disk of launch.disks) {
    const file = path.join(directory, `${disk.name}.raw`);
    await writeFile(file, "");
    await truncate(file, disk.sizeMib * MIB);
    disks.push({ ...disk, path: file, format: "raw" });
  }
  return { ...rest, guestUid: randomUUID(), epoch: 1, disks };
}

function neverWaited() {
  return unavailable("engine", `a template did not say that it waits: ${IS_TEMPLATE}`);
}

function noRoom(what: string, memoryMib: number) {
  return unavailable("engine", `there is no ${what} for a template of ${memoryMib} MiB`);
}
