/**
 * Mode negotiation: which of a node's modes do what a guest needs, and in figures why the others do
 * not.
 */
import type { GuestNeeds } from "../domain/needs.js";
import type { PlacementFilter, Rejection } from "../domain/placement.js";
import type { TemplateChoice } from "../domain/template.js";
import type { OfferedAbility } from "./offers.js";

export interface UnmetNeed {
  readonly filter: Extract<PlacementFilter, "live-migration" | "own-kernel" | "start-within">;
  readonly message: string;
  readonly need: number | undefined;
  readonly have: number | undefined;
}

/** Every need that the mode does not meet there; empty when it will do. */
export function unmetNeeds(needs: GuestNeeds, ability: OfferedAbility): UnmetNeed[] {
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
    const message = `${mode} ${startText(ability)}, needs at most ${within} ms`;
    unmet.push({ filter: "start-within", message, need: within, have: startMs });
  }
  return unmet;
}

/** Why none of these modes will do, mode by mode. */
export function needRejections(
  nodeId: string,
  needs: GuestNeeds,
  abilities: readonly OfferedAbility[],
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
  chosen: OfferedAbility,
  { others, nodeId, template }: NegotiatedAmong,
): string {
  const refused = others.flatMap((other) =>
    unmetNeeds(needs, other)
      .slice(0, 1)
      .map(({ filter, message }) => `${other.mode} refused by ${filter}: ${message}`),
  );
  const start = chosen.startMs === undefined ? [] : [startText(chosen, nodeId)];
  const boots = template?.why === undefined ? [] : [`boots, from no template: ${template.why}`];
  return [...start, ...boots, ...refused].join("; ");
}

/** Where the decision was made, and between what. */
export interface NegotiatedAmong {
  readonly others: readonly OfferedAbility[];
  readonly nodeId: string;
  /** Absent = it does not ask for a quick start. */
  readonly template: TemplateChoice | undefined;
}

function startText({ startMs, isFromTemplate }: OfferedAbility, nodeId?: string): string {
  if (startMs === undefined) return "has no measured start time";
  if (isFromTemplate !== true) return `starts in ${startMs} ms measured`;
  const where = nodeId === undefined ? "" : ` on ${nodeId}`;
  return `starts in ${startMs} ms measured, from a template${where}`;
}
