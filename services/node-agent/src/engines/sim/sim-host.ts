/**
 * The simulated guests of one host: stored texts to guests and back, and the streams between hosts.
 * Shared by the engine of that host, by engines that send to it, and by tests that look at or kill
 * guests behind the engine's back.
 */
import { type CopyExit, type CopyRef, corruptRecord, isUuid, parseStored } from "@innkeeper/core";
import {
  ended,
  SIM_SCHEMA_VERSION,
  type SimGuest,
  type SimStream,
  seenAt,
  streamOf,
} from "./sim-guest.js";
import { directorySimStorage, type SimStorage } from "./sim-storage.js";

const KILLED: CopyExit = { reason: "killed", message: "the simulated process was killed" };
const NAME = /^(.{36})\.(\d{1,15})\.(?:guest|stream)$/;
const URI_PREFIX = "sim:";

export class SimHost {
  constructor(
    readonly location: string,
    private readonly storage: SimStorage = directorySimStorage,
  ) {}

  /** Every copy of which anything is stored. */
  list(): readonly CopyRef[] {
    const found = new Map<string, CopyRef>();
    for (const name of this.storage.names(this.location)) {
      const [, guestUid = "", epoch = ""] = NAME.exec(name) ?? [];
      if (isUuid(guestUid)) found.set(`${guestUid}.${epoch}`, { guestUid, epoch: Number(epoch) });
    }
    return [...found.values()];
  }

  /** The guest as it is now. @throws `corrupt`. */
  look(ref: CopyRef, nowMs: number): SimGuest | undefined {
    const guest = this.#stored(guestName(ref)) as SimGuest | undefined;
    return guest && seenAt(guest, this.stream(ref), nowMs);
  }

  stream(ref: CopyRef): SimStream | undefined {
    return this.#stored(streamName(ref)) as SimStream | undefined;
  }

  /** Stores the guest, and at its target what it will receive. */
  save(guest: SimGuest): void {
    this.storage.write(this.location, guestName(guest), JSON.stringify(guest));
    const stream = streamOf(guest);
    if (guest.sending && stream) this.#send(guest.sending.uri, stream);
  }

  /** Stores a guest that sends no more, and breaks the stream it was sending. */
  saveBroken(guest: SimGuest, uri: string, nowMs: number): void {
    this.#send(uri, {
      schemaVersion: SIM_SCHEMA_VERSION,
      endsAtMs: nowMs,
      isBroken: true,
      life: guest.life,
      usableMib: guest.usableMib,
    });
    this.save(guest);
  }

  remove(ref: CopyRef): void {
    this.storage.remove(this.location, guestName(ref));
    this.storage.remove(this.location, streamName(ref));
  }

  /** Ends a guest as `kill -9` of its process would, whoever watches it. */
  kill(ref: CopyRef, nowMs: number): void {
    const guest = this.look(ref, nowMs);
    if (guest === undefined || guest.run === "ended") return;
    const dead = ended(guest, KILLED, nowMs);
    if (guest.sending) this.saveBroken(dead, guest.sending.uri, nowMs);
    else this.save(dead);
  }

  uriOf(ref: CopyRef): string {
    return `${URI_PREFIX}${encodeURIComponent(this.location)}/${ref.guestUid}.${ref.epoch}`;
  }

  /** The host and the copy that a uri names; undefined when it is not one of ours. */
  resolve(uri: string): { readonly host: SimHost; readonly ref: CopyRef } | undefined {
    const [location, name] = uri.slice(URI_PREFIX.length).split("/");
    const [, guestUid, epoch] = NAME.exec(`${name}.guest`) ?? [];
    if (!uri.startsWith(URI_PREFIX) || !location || !guestUid) return undefined;
    const host = new SimHost(decodeURIComponent(location), this.storage);
    return { host, ref: { guestUid, epoch: Number(epoch) } };
  }

  /** A target that is gone receives nothing, and nothing of it comes back. */
  #send(uri: string, stream: SimStream): void {
    const target = this.resolve(uri);
    if (target === undefined || !target.host.#has(target.ref)) return;
    const { host, ref } = target;
    this.storage.write(host.location, streamName(ref), JSON.stringify(stream));
  }

  #has(ref: CopyRef): boolean {
    return this.storage.read(this.location, guestName(ref)) !== undefined;
  }

  #stored(name: string): unknown {
    const text = this.storage.read(this.location, name);
    if (text === undefined) return undefined;
    const where = `simulated guest ${name}`;
    const stored = parseStored(where, text);
    const isKnown =
      typeof stored === "object" &&
      stored !== null &&
      "schemaVersion" in stored &&
      stored.schemaVersion === SIM_SCHEMA_VERSION;
    if (!isKnown) throw corruptRecord(where, "its schema version is not known");
    return stored;
  }
}

function guestName({ guestUid, epoch }: CopyRef): string {
  return `${guestUid}.${epoch}.guest`;
}

function streamName({ guestUid, epoch }: CopyRef): string {
  return `${guestUid}.${epoch}.stream`;
}
