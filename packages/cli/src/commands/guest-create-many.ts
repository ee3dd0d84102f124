/** `inn guest create --count`: many guests in one request, alone or as a gang. */
import { toDomainError } from "@innkeeper/core";
import type { Guest } from "@innkeeper/proto/innkeeper/v1/guest";
import type { CreateGuestResult } from "@innkeeper/proto/innkeeper/v1/guest_service";
import type { CliContext } from "../cli-context.js";
import { EXIT, exitCodeOf } from "../exit-codes.js";
import { followOperation } from "../follow-operation.js";
import { table } from "../output/table.js";
import { parseCount } from "../parse-options.js";
import { storedError } from "../stored-error.js";

export interface ManyOptions {
  readonly count?: string;
  readonly gang?: boolean;
}

interface Outcome {
  readonly name: string;
  readonly node: string;
  /** What became of it, in a few words. */
  readonly said: string;
  readonly exitCode: number;
}

/** Waits for each, unless told not to; ends with the code of the first that failed. */
export async function createMany(
  context: CliContext,
  guest: Guest,
  { count = "", gang = false }: ManyOptions,
): Promise<void> {
  const { client, requestId, terminal } = context;
  const names = Array.from(
    { length: parseCount("--count", count) },
    (_, index) => `${guest.id}-${index + 1}`,
  );
  const guests = names.map((id) => ({ ...guest, id }));
  const { results } = await client.guests.createGuests({ guests, gang, requestId });
  const outcomes: Outcome[] = [];
  for (const [index, result] of results.entries()) {
    outcomes.push(await outcomeOf(context, names[index] ?? "", result));
  }
  const rows = outcomes.map(({ name, node, said }) => [name, node, said]);
  terminal.result(table(["NAME", "NODE", "RESULT"], rows), outcomes);
  const failed = outcomes.find(({ exitCode }) => exitCode !== EXIT.done);
  if (failed) context.setExitCode(failed.exitCode);
}

async function outcomeOf(
  context: CliContext,
  name: string,
  { outcome }: CreateGuestResult,
): Promise<Outcome> {
  const done = { name, node: "-", exitCode: EXIT.done };
  try {
    if (outcome?.$case !== "operation") throw storedError(outcome?.value);
    if (!context.isWaiting) return { ...done, said: `operation ${outcome.value.id}` };
    const ended = await followOperation(context, outcome.value);
    const guest = ended?.result?.$case === "guest" ? ended.result.value : undefined;
    return { ...done, node: guest?.status?.placement?.nodeId ?? "-", said: ended?.message ?? "" };
  } catch (error) {
    const { kind, reason, message } = toDomainError(error);
    return { name, node: "-", said: `${message} [${reason}]`, exitCode: exitCodeOf(kind) };
  }
}
