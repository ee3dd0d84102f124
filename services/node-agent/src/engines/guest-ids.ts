/**
 * The host's user and group ids that guests have: each copy, whatever runs it, gets a range of
 * {@link RANGE_IDS} of them for as long as it exists. Nobody else on the host has them: they lie
 * above what distributions give to users and to systemd's containers.
 *
 * N1 No two copies on the host have the same range, whichever agent runs them: a range is taken by
 *    making a file that nobody else can make then, in a directory that all agents of a host share.
 * N2 The first range is no copy's: it owns the unpacked images that containers share.
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { assert, DomainError } from "@innkeeper/core";

/** What user namespaces are made of: ids 0 to 65535 inside. */
export const RANGE_IDS = 65_536;
export const DEFAULT_GUEST_IDS = { firstId: 2_000_000_000, ranges: 2048 } as const;

/** Gone after a restart of the host, as all that has ids is. */
const CLAIMS_DIRECTORY = "/run/innkeeper/ids";
/** A claim is made a moment before the directory of its copy. */
export const CLAIM_AGE_MS = 10 * 60_000;

export interface IdRange {
  readonly firstId: number;
  readonly count: number;
}

export interface GuestIdsOptions {
  readonly firstId: number;
  /** How many ranges there are, the images' among them. */
  readonly ranges: number;
  /** Default: one that all agents of this host share. */
  readonly claimsDirectory?: string;
}

export class GuestIds {
  readonly #claims: string;
  readonly #firstId: number;
  readonly #ranges: number;

  constructor(options: GuestIdsOptions = DEFAULT_GUEST_IDS) {
    assert(options.ranges >= 2, "the images have a range, and at least one copy");
    this.#firstId = options.firstId;
    this.#ranges = options.ranges;
    this.#claims = options.claimsDirectory ?? CLAIMS_DIRECTORY;
  }

  get ofImages(): IdRange {
    return this.#at(0);
  }

  /**
   * The same again for the same owner. @param owner directory of the copy: the claim holds for as
   * long as that exists. @throws `capacity` (NO_GUEST_IDS) when all are taken.
   */
  take(owner: string): IdRange {
    // Containers' root file systems are mounted beside it: everybody may walk past.
    mkdirSync(path.dirname(this.#claims), { recursive: true, mode: 0o755 });
    mkdirSync(this.#claims, { recursive: true, mode: 0o700 });
    const ofCopies = this.#ranges - 1;
    const start = createHash("sha256").update(owner).digest().readUInt32BE();
    for (let tried = 0; tried < ofCopies; tried += 1) {
      const range = this.#at(1 + ((start + tried) % ofCopies));
      if (this.#isClaimed(range, owner)) return range;
    }
    throw noGuestIds(this.#ranges);
  }

  /** The range whose first id that is; undefined when it is none of ours. */
  rangeAt(firstId: number): IdRange | undefined {
    const index = (firstId - this.#firstId) / RANGE_IDS;
    const isOurs = Number.isSafeInteger(index) && index >= 1 && index < this.#ranges;
    return isOurs ? this.#at(index) : undefined;
  }

  /** Nothing of the owner is left that the ids could reach. Idempotent. */
  free(range: IdRange, owner: string): void {
    const claim = this.#claimOf(range);
    if (ownerOf(claim) === owner) rmSync(claim, { force: true });
  }

  /** Removes the claims of copies that are gone, which an agent that was ended left. */
  sweep(nowMs: number): void {
    for (const name of namesIn(this.#claims)) {
      const claim = path.join(this.#claims, name);
      const madeMs = statSync(claim, { throwIfNoEntry: false })?.mtimeMs ?? nowMs;
      const owner = ownerOf(claim);
      const isGone = owner === undefined || !existsSync(owner);
      if (isGone && madeMs < nowMs - CLAIM_AGE_MS) rmSync(claim, { force: true });
    }
  }

  #at(index: number): IdRange {
    return { firstId: this.#firstId + index * RANGE_IDS, count: RANGE_IDS };
  }

  #claimOf({ firstId }: IdRange): string {
    return path.join(this.#claims, String(firstId));
  }

  #isClaimed(range: IdRange, owner: string): boolean {
    const claim = this.#claimOf(range);
    try {
      writeFileSync(claim, owner, { flag: "wx", mode: 0o600 });
      return true;
    } catch (error) {
      const isTaken = error instanceof Error && "code" in error && error.code === "EEXIST";
      if (!isTaken) throw error;
      return ownerOf(claim) === owner;
    }
  }
}

function ownerOf(claim: string): string | undefined {
  try {
    return readFileSync(claim, "utf8");
  } catch {
    return undefined;
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function noGuestIds(ranges: number): DomainError {
  return new DomainError({
    kind: "capacity",
    reason: "NO_GUEST_IDS",
    message: `all ${ranges - 1} ranges of user ids are taken: INN_GUEST_ID_RANGES sets how many`,
    metadata: { ranges: String(ranges - 1) },
  });
}
