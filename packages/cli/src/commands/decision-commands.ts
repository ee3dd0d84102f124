/** `inn decision replay`: a placement decision, made again. */
import type { Placement } from "@innkeeper/proto/innkeeper/v1/guest";
import { ReplayDecisionResponse } from "@innkeeper/proto/innkeeper/v1/guest_service";
import type { Command } from "commander";
import type { CliContext } from "../cli-context.js";
import { EXIT } from "../exit-codes.js";
import type { Register } from "./register.js";

export function decisionCommands(program: Command, register: Register): void {
  const decision = program.command("decision").description("why guests are where they are");
  decision
    .command("replay <guest>")
    .description("make the decision that placed a guest again, from the records as they were")
    .action((guest: string) => register((context) => replay(context, guest)));
}

/** Ends with 1 when it comes out otherwise. */
async function replay(context: CliContext, guestId: string): Promise<void> {
  const { client, projectId, terminal, setExitCode } = context;
  const answer = await client.guests.replayDecision({ projectId, guestId });
  const { stored, replayed, same } = answer;
  const from = `from revision ${stored?.snapshotRevision ?? 0} with seed ${stored?.seed ?? 0}`;
  const lines = same
    ? [`the same again, ${from}:`, text(stored)]
    : [`it comes out otherwise, ${from}:`, `then: ${text(stored)}`, `now: ${text(replayed)}`];
  terminal.result(lines.join("\n"), ReplayDecisionResponse.toJSON(answer));
  if (!same) setExitCode(EXIT.failed);
}

function text(placement: Placement | undefined): string {
  return placement?.message ?? "no node can take it";
}
