/**
 * Who may write to the console of a copy.
 *
 * W1 One at a time. The right lasts as long as the call that holds it, whatever ends that.
 * W2 Whoever loses the right by force is told who took it, and writes nothing any more.
 */
import {
  type ConsoleGrant,
  type ConsoleInput,
  type ConsoleWriter,
  consoleHeld,
  consoleTaken,
  type DomainError,
  type EngineCopy,
  toDomainError,
  unavailable,
} from "@innkeeper/core";

interface Hold {
  readonly holder: string;
  /** Ends it, with the reason that its holder is told. */
  end(why: DomainError | undefined): void;
  readonly ended: Promise<DomainError | undefined>;
}

const holds = new WeakMap<EngineCopy, Hold>();

/** See `AgentClient.writeConsole`. */
export async function* writeConsoleOf(
  { copy, writer }: { readonly copy: EngineCopy | undefined; readonly writer: ConsoleWriter },
  pieces: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<ConsoleGrant> {
  if (copy === undefined) throw gone();
  const hold = take(copy, writer);
  const onAbort = (): void => hold.end(undefined);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  void copy.ended.then(() => hold.end(gone()));
  let input: ConsoleInput | undefined;
  try {
    input = await copy.openConsole();
    yield { isTerminal: input.isTerminal };
    const why = await writeAll(hold, input, pieces);
    if (why !== undefined) throw why;
  } finally {
    signal.removeEventListener("abort", onAbort);
    input?.close();
    hold.end(undefined);
    if (holds.get(copy) === hold) holds.delete(copy);
  }
}

function take(copy: EngineCopy, { holder, isForced }: ConsoleWriter): Hold {
  const before = holds.get(copy);
  if (before !== undefined && !isForced) throw consoleHeld(before.holder);
  before?.end(consoleTaken(holder));
  const hold = newHold(holder);
  holds.set(copy, hold);
  return hold;
}

function newHold(holder: string): Hold {
  let end: Hold["end"] = () => undefined;
  const ended = new Promise<DomainError | undefined>((resolve) => {
    end = resolve;
  });
  return { holder, ended, end: (why) => end(why) };
}

/** Writes until the hold has ended, and tells why it has. */
async function writeAll(
  hold: Hold,
  input: ConsoleInput,
  pieces: AsyncIterable<Uint8Array>,
): Promise<DomainError | undefined> {
  let isOver = false;
  const writing = (async () => {
    for await (const piece of pieces) {
      if (isOver) return;
      await input.write(piece);
    }
  })();
  const failed = writing.then(() => hold.ended, toDomainError);
  const why = await Promise.race([hold.ended, failed]);
  isOver = true;
  return why;
}

function gone(): DomainError {
  return unavailable("console", "the guest has no copy here now");
}
