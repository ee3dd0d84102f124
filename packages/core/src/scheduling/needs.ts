/**
 * Mode negotiation: which of a node's modes do what a guest needs, and in figures why the others do
 * not.
 */
import type { ModeAbility } from "../domain/mode.js";
import type { GuestNeeds } from "../domain/needs.js";
import type { PlacementFilter, Rejection } from "../domain/placement.js";

export interface UnmetNeed {
  readonly filter: Extract<PlacementFilter, "live-migration" | "own-kernel" | "start-within">;
  readonly message: string;
  readonly need: number | undefined;
  readonly have: number | undefined;
}

/** Every need that the mode does not meet there; empty when it will do. */
export function unmetNeeds(needs: GuestNeeds, ability: ModeAbility): UnmetNeed[] {
  const { mode, engine, startMs } = ability;
  const unmet: UnmetNeed[] = [];
  if (needs.ownKernel && mode === "container") {
    const message = `${mode} shares the kernel of the host`;
    unmet.push({ filter: "own-kernel", message, need: undefined, have: undefined });
  }
  if (needs.liveMigration && !ability.canLiveMigrate) {
    const message = `${mode} by ${engine} cannot move while it runs`;
    unmet.push({ filter: "live-migration", message, need: undefined, have: undefined });
  }
  const within = needs.startWithinMs;
  if (within !== undefined && !(startMs !== undefined && startMs <= within)) {
    const message = `${mode} ${startText(startMs)}, needs at most ${within} ms`;
    unmet.push({ filter: "start-within", message, need: within, have: startMs });
  }
  return unmet;
}

/** Why none of these modes will do, mode by mode. */
export function needRejections(
  nodeId: string,
  needs: GuestNeeds,
  abilities: readonly ModeAbility[],
): Rejection[] {
  return abilities.flatMap((ability) =>
    unmetNeeds(needs, ability).map((unmet) => ({ nodeId, ...unmet })),
  );
}

/**
 * For the sentence that explains a decision: how fast the chosen mode starts, and which others the
 * needs refused, e.g. "starts in 60 ms measured; full refused by start-within: ...".
 */
export function negotiationText(
  needs: GuestNeeds,
  chosen: ModeAbility,
  others: readonly ModeAbility[],
): string {
  const refused = others.flatMap((other) =>
    unmetNeeds(needs, other)
      .slice(0, 1)
      .map(({ filter, message }) => `${other.mode} refused by ${filter}: ${message}`),
  );
  const start = chosen.startMs === undefined ? [] : [startText(chosen.startMs)];
  return [...start, ...refused].join("; ");
}

function startText(startMs: number | undefined): string {
  return startMs === undefined ? "has no measured start time" : `starts in ${startMs} ms measured`;
}
