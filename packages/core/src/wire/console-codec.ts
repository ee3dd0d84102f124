/** Attachments to consoles on both wires: an opening first, then bytes. */
import type { CopyConsoleOpening } from "@innkeeper/proto/innkeeper/agent/v1/agent_service";
import type { ConsoleOpening } from "@innkeeper/proto/innkeeper/v1/console";
import {
  CONSOLE_HISTORY_BYTES_MAX,
  CONSOLE_HOLDER_LENGTH_MAX,
  type ConsoleWriter,
} from "../domain/console.js";
import { invalidField } from "../domain/errors.js";
import { parseName, parseUuid } from "../domain/names.js";
import { DEFAULT_PROJECT_ID } from "../domain/project.js";
import { parseInteger, parsePrintable } from "./numbers.js";

type Part<Opening> =
  | { readonly $case: "opening"; readonly value: Opening }
  | { readonly $case: "input"; readonly value: Uint8Array };

interface Message<Opening> {
  readonly part?: Part<Opening> | undefined;
}

/**
 * The first message, and the input that follows. @throws `invalid` when the first one opens
 * nothing.
 */
export async function openConsole<Opening>(
  messages: AsyncIterable<Message<Opening>>,
): Promise<{ readonly opening: Opening; readonly input: AsyncIterable<Uint8Array> }> {
  const iterator = messages[Symbol.asyncIterator]();
  const first = await iterator.next();
  const part = first.done === true ? undefined : first.value.part;
  if (part?.$case !== "opening") {
    throw invalidField("opening", part?.$case ?? "unset", "the first message");
  }
  return { opening: part.value, input: inputOf(iterator) };
}

async function* inputOf<Opening>(
  messages: AsyncIterator<Message<Opening>>,
): AsyncGenerator<Uint8Array> {
  try {
    for (let each = await messages.next(); each.done !== true; each = await messages.next()) {
      const { part } = each.value;
      if (part?.$case === "opening") throw invalidField("opening", "a second one", "one");
      if (part !== undefined) yield part.value;
    }
  } finally {
    await messages.return?.();
  }
}

export interface ConsoleAttachment {
  readonly projectId: string;
  readonly guestId: string;
  readonly isReadOnly: boolean;
  readonly isForced: boolean;
  /** Empty: as the server sees the client. */
  readonly holder: string;
  readonly historyBytes: number;
}

/** @throws `invalid`. */
export function parseConsoleOpening(proto: ConsoleOpening): ConsoleAttachment {
  const { projectId, guestId, readOnly, force, holder, historyBytes } = proto;
  const range = { min: 0, max: CONSOLE_HISTORY_BYTES_MAX };
  return {
    projectId: projectId === "" ? DEFAULT_PROJECT_ID : parseName("opening.project_id", projectId),
    guestId: parseName("opening.guest_id", guestId),
    isReadOnly: readOnly,
    isForced: force,
    holder: parsePrintable("opening.holder", holder, CONSOLE_HOLDER_LENGTH_MAX),
    historyBytes: parseInteger("opening.history_bytes", historyBytes ?? range.max, range),
  };
}

/** @throws `invalid`. */
export function parseConsoleWriter(field: string, proto: CopyConsoleOpening): ConsoleWriter {
  const { guestUid, holder, force } = proto;
  const printable = parsePrintable(`${field}.holder`, holder, CONSOLE_HOLDER_LENGTH_MAX);
  if (printable === "") throw invalidField(`${field}.holder`, "", "who writes");
  return {
    guestUid: parseUuid(`${field}.guest_uid`, guestUid),
    holder: printable,
    isForced: force,
  };
}
