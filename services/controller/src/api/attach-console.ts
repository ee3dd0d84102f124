/**
 * One attachment to a guest's console: what it prints one way, what is typed the other.
 *
 * T1 A guest never waits for a reader: what a slow one misses is told by its size.
 * T2 Input goes where the guest goes; the right to write is asked for anew there.
 */
import { DomainError, toDomainError } from "@innkeeper/core";
import { type ConsoleAttachment, openConsole, parseConsoleOpening } from "@innkeeper/core/wire";
import type {
  AttachConsoleRequest,
  AttachConsoleResponse,
} from "@innkeeper/proto/innkeeper/v1/guest_service";
import { findGuest } from "../commands/change-guest.js";
import type { Controller } from "../controller.js";
import { placeOf } from "./guest-place.js";
import { InputQueue } from "./input-queue.js";
import {
  CONSOLE_POLL_MS,
  type ConsolePiece,
  ConsoleReader,
  MAY_PASS,
  pause,
} from "./read-console.js";

/** How long the right to write may take before the history is shown all the same. */
const GRANT_MS_MAX = 2_000;
/** A console on which nothing happens for a second is looked at less often, until a key is hit. */
const IDLE_AFTER_MS = 1_000;
const IDLE_POLL_MS = 100;
/** Pause before the way to a guest is tried again. */
const RETRY_MS = 200;
/** History is read to its end; a guest that prints all the time has none. */
const HISTORY_READ_BYTES_MAX = 4 * 1024 * 1024;

interface Streams {
  readonly requests: AsyncIterable<AttachConsoleRequest>;
  readonly signal: AbortSignal;
  readonly peer: string;
}

/** @throws as the RPC says; what the input breaks off with. */
export async function* attachConsole(
  controller: Controller,
  { requests, signal, peer }: Streams,
): AsyncGenerator<AttachConsoleResponse> {
  const { opening, input } = await openConsole(requests);
  const asked = parseConsoleOpening(opening);
  const holder = asked.holder === "" ? peer : asked.holder;
  const attached = new AttachedConsole(controller, { ...asked, holder });
  const onAbort = (): void => attached.end();
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    yield* attached.run(input);
  } finally {
    signal.removeEventListener("abort", onAbort);
    attached.end();
  }
}

class AttachedConsole {
  readonly #abort = new AbortController();
  readonly #guestUid: string;
  readonly #grants: AttachConsoleResponse[] = [];
  #failure: DomainError | undefined;
  #wasGranted = false;
  #stirredAtMs = 0;
  #settle: () => void = () => undefined;

  constructor(
    private readonly controller: Controller,
    private readonly asked: ConsoleAttachment,
  ) {
    this.#guestUid = findGuest(controller, asked).value.uid;
  }

  end(): void {
    this.#abort.abort();
    this.#settle();
  }

  async *run(input: AsyncIterable<Uint8Array>): AsyncGenerator<AttachConsoleResponse> {
    const { projectId, guestId, isReadOnly } = this.asked;
    const { signal } = this.#abort;
    const queue = new InputQueue(input, () => this.#stir());
    queue.ended.catch((error: unknown) => this.#fail(error));
    const settled = new Promise<void>((resolve) => {
      this.#settle = resolve;
    });
    const reader = new ConsoleReader(this.controller, {
      projectId,
      guestId,
      isFollowing: true,
      signal,
    });
    // Read before anything is typed: what comes of that is no history.
    const history = await this.#history(reader);
    if (!isReadOnly) {
      this.#write(queue).catch((error: unknown) => this.#fail(error));
      await Promise.race([settled, pause(this.controller, GRANT_MS_MAX)]);
    }
    if (this.#failure === undefined && history.length > 0) yield dataOf(history);
    yield* this.#follow(reader);
  }

  async *#follow(reader: ConsoleReader): AsyncGenerator<AttachConsoleResponse> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      yield* this.#grants.splice(0);
      const piece = await reader.next();
      if (this.#failure !== undefined) throw this.#failure;
      if (piece === undefined) return;
      yield* this.#told(piece);
      if (piece.bytes.length > 0) this.#stir();
      else await pause(this.controller, this.#pollMs);
    }
  }

  *#told({ bytes, skippedBytes }: ConsolePiece): Generator<AttachConsoleResponse> {
    if (skippedBytes > 0) yield { part: { $case: "skippedBytes", value: skippedBytes } };
    if (bytes.length > 0) yield dataOf(bytes);
  }

  get #pollMs(): number {
    const stillMs = this.controller.clock.monotonicMs() - this.#stirredAtMs;
    return stillMs > IDLE_AFTER_MS ? IDLE_POLL_MS : CONSOLE_POLL_MS;
  }

  #stir(): void {
    this.#stirredAtMs = this.controller.clock.monotonicMs();
  }

  async #history(reader: ConsoleReader): Promise<Buffer> {
    const { historyBytes } = this.asked;
    let kept = Buffer.alloc(0);
    for (let readBytes = 0; readBytes < HISTORY_READ_BYTES_MAX; ) {
      const piece = await reader.next();
      if (piece === undefined || piece.bytes.length === 0) break;
      readBytes += piece.bytes.length;
      kept = Buffer.concat([kept, piece.bytes]);
      kept = kept.subarray(Math.max(0, kept.length - historyBytes));
    }
    return kept;
  }

  #fail(error: unknown): void {
    this.#failure ??= toDomainError(error);
    this.#settle();
  }

  /** Until it is ended; asks anew for the right to write wherever the guest is. */
  async #write(queue: InputQueue): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        await this.#writeHere(queue);
      } catch (error) {
        if (!this.#mayPass(error)) throw error;
      }
      await pause(this.controller, RETRY_MS);
    }
  }

  async #writeHere(queue: InputQueue): Promise<void> {
    const { mirror, agents } = this.controller;
    const guest = mirror.guestByUid(this.#guestUid)?.value;
    const place = guest && placeOf(this.controller, guest);
    if (place === undefined) return;
    const { holder } = this.asked;
    const isForced = this.asked.isForced && !this.#wasGranted;
    const here = new AbortController();
    const onAbort = (): void => here.abort();
    this.#abort.signal.addEventListener("abort", onAbort, { once: true });
    try {
      const agent = agents.clientFor(place.address);
      const writer = { guestUid: this.#guestUid, holder, isForced };
      const grants = agent.writeConsole(writer, queue.taken(here.signal), here.signal);
      for await (const { isTerminal } of grants) this.#grant(isTerminal);
    } finally {
      this.#abort.signal.removeEventListener("abort", onAbort);
      here.abort();
    }
  }

  #grant(isTerminal: boolean): void {
    this.#wasGranted = true;
    this.#grants.push({ part: { $case: "granted", value: { terminal: isTerminal } } });
    this.#settle();
  }

  /** A node that restarts, a guest that moves, and our own right that was not given back yet. */
  #mayPass(error: unknown): boolean {
    if (this.#abort.signal.aborted) return true;
    if (!(error instanceof DomainError)) return false;
    const isOwn = error.reason === "CONSOLE_HELD" && error.metadata["holder"] === this.asked.holder;
    return MAY_PASS.includes(error.kind) || (isOwn && this.#wasGranted);
  }
}

function dataOf(bytes: Uint8Array): AttachConsoleResponse {
  const value = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return { part: { $case: "data", value } };
}
