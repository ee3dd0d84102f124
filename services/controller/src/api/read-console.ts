/**
 * Console output, fetched from the node piece by piece. A follower goes where the guest goes: when
 * it has moved, what is left of its console on the old node comes first, so nothing that the guest
 * wrote is missed.
 */
import { DomainError } from "@innkeeper/core";
import type { ReadConsoleResponse } from "@innkeeper/proto/innkeeper/v1/guest_service";
import { findGuest, type GuestRef } from "../commands/change-guest.js";
import type { Controller } from "../controller.js";
import { type GuestPlace, isSamePlace, notPlaced, placeOf } from "./guest-place.js";

const BYTES_MAX = 64 * 1024;
/** Pause between looks when following and nothing came. */
export const CONSOLE_POLL_MS = 25;

const NOTHING: ConsolePiece = { bytes: new Uint8Array(0), skippedBytes: 0 };

/** A node that restarts is waited for by followers. */
export const MAY_PASS: readonly DomainError["kind"][] = ["unavailable", "timeout", "not-found"];

type ConsoleRequest = GuestRef & { readonly isFollowing: boolean; readonly signal: AbortSignal };

/**
 * @throws `not-found`, `precondition` (GUEST_NOT_PLACED), `unavailable` when the node does not
 * answer.
 */
export async function* readConsole(
  controller: Controller,
  request: ConsoleRequest,
): AsyncGenerator<ReadConsoleResponse> {
  const reader = new ConsoleReader(controller, request);
  while (!request.signal.aborted) {
    const piece = await reader.next();
    if (piece === undefined) return;
    const { bytes } = piece;
    if (bytes.length > 0) {
      yield { data: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) };
    } else if (request.isFollowing) {
      await pause(controller, CONSOLE_POLL_MS);
    } else {
      return;
    }
  }
}

export interface ConsolePiece {
  readonly bytes: Uint8Array;
  /** So many before them are no longer kept. */
  readonly skippedBytes: number;
}

export class ConsoleReader {
  readonly #guestUid: string;
  #place: GuestPlace | undefined;
  #offset = 0;

  constructor(
    private readonly controller: Controller,
    private readonly request: ConsoleRequest,
  ) {
    this.#guestUid = findGuest(controller, request).value.uid;
  }

  /** The next bytes, empty when there are none now; undefined when the guest is gone. */
  async next(): Promise<ConsolePiece | undefined> {
    const guest = this.controller.mirror.guestByUid(this.#guestUid)?.value;
    if (guest === undefined) return undefined;
    const place = placeOf(this.controller, guest);
    if (place === undefined && !this.request.isFollowing) throw notPlaced(guest);
    if (!isSamePlace(place, this.#place)) {
      const rest = await this.#read().catch(() => NOTHING);
      if (rest.bytes.length > 0) return rest;
      this.#offset = 0;
    }
    this.#place = place;
    return this.request.isFollowing ? await this.#readPatiently() : await this.#read();
  }

  async #readPatiently(): Promise<ConsolePiece> {
    try {
      return await this.#read();
    } catch (error) {
      if (error instanceof DomainError && MAY_PASS.includes(error.kind)) return NOTHING;
      throw error;
    }
  }

  async #read(): Promise<ConsolePiece> {
    if (this.#place === undefined) return NOTHING;
    const agent = this.controller.agents.clientFor(this.#place.address);
    const piece = await agent.readConsole(this.#guestUid, this.#offset, BYTES_MAX);
    const from = piece.nextOffset - piece.bytes.length;
    const skippedBytes = Math.max(0, from - this.#offset);
    this.#offset = piece.nextOffset;
    return { bytes: piece.bytes, skippedBytes };
  }
}

export function pause({ clock }: Pick<Controller, "clock">, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.schedule(delayMs, resolve);
  });
}
