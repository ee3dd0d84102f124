/** Attaches to a guest's console: an iterable of what comes, fed by one of what is typed. */
import { callBoth } from "@innkeeper/core/platform";
import { ConsoleOpening } from "@innkeeper/proto/innkeeper/v1/console";
import {
  type AttachConsoleRequest,
  type AttachConsoleResponse,
  GuestServiceService,
} from "@innkeeper/proto/innkeeper/v1/guest_service";
import type { InnkeeperClient } from "./client.js";

/** The end of the input leaves it reading, until the signal aborts or the guest is gone. */
export async function* attachConsole(
  { channel }: InnkeeperClient,
  {
    opening,
    input,
  }: {
    readonly opening: Partial<ConsoleOpening>;
    readonly input: AsyncIterable<Uint8Array>;
  },
  signal: AbortSignal,
): AsyncGenerator<AttachConsoleResponse> {
  const { path, requestSerialize, responseDeserialize } = GuestServiceService.attachConsole;
  const call = () => channel.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  try {
    yield* callBoth(call, messages(ConsoleOpening.fromPartial(opening), input), signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function* messages(
  opening: ConsoleOpening,
  input: AsyncIterable<Uint8Array>,
): AsyncGenerator<AttachConsoleRequest> {
  yield { part: { $case: "opening", value: opening } };
  for await (const bytes of input) {
    const value = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    yield { part: { $case: "input", value } };
  }
}
