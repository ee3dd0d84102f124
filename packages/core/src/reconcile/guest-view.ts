/** What the leader knows when it decides about one guest, and what it can decide. */
import type { CopyReport, GuestAssignment } from "../domain/assignment.js";
import type { Guest } from "../domain/guest.js";
import type { Image } from "../domain/image.js";
import type { Operation } from "../domain/operation.js";
import type { Resources } from "../domain/resources.js";

/**
 * `synced`: its agent has told everything it has. `unreachable`: its lease has run out. `unknown`:
 * neither yet.
 */
export type NodeLink = "synced" | "unreachable" | "unknown";

export interface GuestView {
  readonly guest: Guest;
  /** The running operation of the guest, if any. */
  readonly operation: Operation | undefined;
  readonly image: Image | undefined;
  readonly linkOf: (nodeId: string) => NodeLink;
  /** The newest report of this guest from a node in its present session. */
  readonly copyOn: (nodeId: string) => CopyReport | undefined;
  /** Its nodes have a move to spare; asked of a migration that waits for its turn. */
  readonly mayBeginMove: () => boolean;
  readonly nowMs: number;
}

/** An allocation that ends with a write. */
export interface Release {
  readonly nodeId: string;
  readonly resources: Resources;
}

export interface NodeAssignment {
  readonly nodeId: string;
  readonly assignment: GuestAssignment;
}

/**
 * `write` is committed first; what follows from it is decided anew from the committed record.
 * `act` sends assignments; they are repeated until the reports agree. `place` asks for a placement.
 */
export type GuestPlan =
  | { readonly do: "idle" }
  | { readonly do: "place" }
  | { readonly do: "act"; readonly assignments: readonly NodeAssignment[] }
  | {
      readonly do: "write";
      /** Undefined = remove the record. */
      readonly guest: Guest | undefined;
      readonly operation: Operation | undefined;
      readonly releases: readonly Release[];
    };

export const IDLE: GuestPlan = { do: "idle" };

/** The guest with a higher intent: nodes must hear of it. */
export function withNewIntent(guest: Guest): Guest {
  return { ...guest, intent: guest.intent + 1 };
}
