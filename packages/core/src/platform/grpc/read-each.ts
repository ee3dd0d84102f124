/**
 * Reads a stream message by message without ever destroying it: the other direction of the same
 * call must live on when its reader leaves.
 */

import type { Readable } from "node:stream";

/** Ends with the stream or the signal; holds at most what had come when it was stopped. */
export async function* readEach<Message>(
  stream: Readable,
  signal: AbortSignal,
): AsyncGenerator<Message> {
  const messages: Message[] = [];
  let isOver = signal.aborted;
  let wake = (): void => undefined;
  const take = (message: Message): void => {
    messages.push(message);
    stream.pause();
    wake();
  };
  const end = (): void => {
    isOver = true;
    wake();
  };
  stream.on("data", take);
  stream.on("end", end);
  stream.on("close", end);
  signal.addEventListener("abort", end, { once: true });
  try {
    for (;;) {
      const message = messages.shift();
      if (message !== undefined) yield message;
      else if (isOver) return;
      else {
        const more = new Promise<void>((resolve) => {
          wake = resolve;
        });
        stream.resume();
        await more;
      }
    }
  } finally {
    stream.off("data", take);
    stream.off("end", end);
    stream.off("close", end);
    signal.removeEventListener("abort", end);
    // What nobody reads any more must not hold up the end of the call.
    stream.resume();
  }
}
