/** `inn guest explain`, and `inn guest create --dry-run`. */
import { Guest } from "@innkeeper/proto/innkeeper/v1/guest";
import { ExplainPlacementResponse } from "@innkeeper/proto/innkeeper/v1/guest_service";
import type { CliContext } from "../cli-context.js";
import { EXIT, exitCodeOf } from "../exit-codes.js";
import { enumName, table } from "../output/table.js";
import { storedError } from "../stored-error.js";
import { guestExplanation } from "./guest-text.js";

/** Ends with 4 when it would be refused or fits nowhere, as the creation would. */
export async function explainNewGuest(context: CliContext, guest: Guest): Promise<void> {
  const { client, terminal } = context;
  const subject = { $case: "guest", value: guest } as const;
  const explained = await client.guests.explainPlacement({ subject, nodeId: "" });
  terminal.result(newGuestText(guest.id, explained), ExplainPlacementResponse.toJSON(explained));
  if (explained.refusal) context.setExitCode(exitCodeOf(storedError(explained.refusal).kind));
  else if (explained.placement === undefined) context.setExitCode(EXIT.refused);
}

export async function explainGuest(
  context: CliContext,
  guestId: string,
  nodeId: string,
): Promise<void> {
  const { client, projectId, terminal } = context;
  const { guest = Guest.fromPartial({}) } = await client.guests.getGuest({
    projectId,
    guestId,
    minRevision: 0,
  });
  const subject = { $case: "name", value: { projectId, guestId } } as const;
  const explained = await client.guests.explainPlacement({ subject, nodeId });
  const lines =
    nodeId === ""
      ? [guestExplanation(guest), ...whatHelps(guest, explained)]
      : nodeLines(nodeId, explained);
  const json = ExplainPlacementResponse.toJSON(explained) as object;
  terminal.result(lines.join("\n"), { guest: Guest.toJSON(guest), ...json });
}

/** Of a guest that has no place. */
function whatHelps(guest: Guest, explained: ExplainPlacementResponse): string[] {
  if (guest.status?.placement !== undefined) return [];
  const isGangShort = guest.gangId !== "" && explained.placement !== undefined;
  if (!isGangShort) return changeLines(explained);
  return [`alone it would fit, but its gang waits together: ${guest.status?.message ?? ""}`];
}

function newGuestText(name: string, explained: ExplainPlacementResponse): string {
  const { placement, refusal, rejections } = explained;
  if (refusal) {
    const { reason, message } = storedError(refusal);
    return `guest ${name} would be refused: ${message} [${reason}]`;
  }
  if (placement) return `guest ${name} would go: ${placement.message}`;
  const rows = rejections.map((each) => [each.nodeId, each.filter, each.message]);
  const head = `guest ${name} would wait: no node can take it`;
  return [head, table(["NODE", "FILTER", "WHY NOT"], rows), ...changeLines(explained)].join("\n");
}

function changeLines({ changes, placement }: ExplainPlacementResponse): string[] {
  if (placement) return [`it would fit now: ${placement.message}`];
  if (changes.length === 0) return ["no single change would make it fit"];
  const lines = changes.map(({ message }) => `  ${message}`);
  return ["any one of these would make it fit:", ...lines];
}

function nodeLines(nodeId: string, explained: ExplainPlacementResponse): string[] {
  const { rejections, score, placement } = explained;
  if (score === undefined) {
    const rows = rejections.map((each) => [each.filter, each.message]);
    return [`not on ${nodeId}:`, table(["FILTER", "WHY NOT"], rows)];
  }
  const mode = enumName(score.mode, "MODE_").toLowerCase();
  const parts = `0.8 x fit ${score.fit.toFixed(4)} + 0.2 x mode ${score.modePreference}`;
  return [
    `${nodeId} could take it as ${mode}`,
    `score ${score.score.toFixed(4)} = ${parts}; soft rules broken: ${score.softViolations}`,
    `the best node now is ${placement?.nodeId ?? "-"}`,
  ];
}
