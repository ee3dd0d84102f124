/** `inn guest exec`: a command in a guest, as if it ran here. */
import { toDomainError, unavailable } from "@innkeeper/core";
import { durationOf } from "@innkeeper/core/wire";
import type { ExecGuestRequest } from "@innkeeper/proto/innkeeper/v1/guest_service";
import type { CliContext } from "../cli-context.js";
import { EXIT_NOT_RUN } from "../exit-codes.js";
import { parseMs } from "../parse-options.js";

export interface ExecOptions {
  readonly timeout: string;
  readonly input?: boolean;
}

interface GuestCommand {
  readonly name: string;
  readonly words: readonly string[];
}

/** One byte more than is allowed is read, so that the cluster says what is. */
const INPUT_BYTES_MAX = 64 * 1024 + 1;

/** Errors are told here: their usual exit codes could be the command's. */
export async function execInGuest(
  context: CliContext,
  { name, words }: GuestCommand,
  options: ExecOptions,
): Promise<void> {
  const { terminal, setExitCode, projectId } = context;
  const timeout = durationOf(parseMs("--timeout", options.timeout));
  try {
    const input = options.input === true ? await readAll(context) : Buffer.alloc(0);
    const command = { words: [...words], input, timeout };
    setExitCode(await run(context, { projectId, guestId: name, command }));
  } catch (error) {
    const { message, reason } = toDomainError(error);
    terminal.note(`inn: ${message} [${reason}]`);
    setExitCode(EXIT_NOT_RUN);
  }
}

/** @returns the exit code of the command. */
async function run(
  { client, terminal, signal }: CliContext,
  request: ExecGuestRequest,
): Promise<number> {
  for await (const { output } of client.guests.execGuest(request, signal)) {
    const part = output?.output;
    if (part?.$case === "stdout") terminal.write(part.value);
    if (part?.$case === "stderr") terminal.writeError(part.value);
    if (part?.$case !== "exit") continue;
    if (part.value.cut) terminal.note("inn: it printed more than is passed on");
    return part.value.code;
  }
  throw unavailable("guest", "the connection ended before the command did");
}

async function readAll({ input }: CliContext): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  for await (const piece of input as AsyncIterable<Buffer>) {
    pieces.push(piece);
    sizeBytes += piece.length;
    if (sizeBytes >= INPUT_BYTES_MAX) break;
  }
  return Buffer.concat(pieces).subarray(0, INPUT_BYTES_MAX);
}
