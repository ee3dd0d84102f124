/**
 * The keyboard without the terminal's own ideas of lines, echo and signals.
 *
 * R1 The terminal is as it was before, however the program ends: by itself, by an error, by any
 *    signal that a program can hear.
 */

/** Idempotent; does nothing where there is no terminal. */
export type Restore = () => void;

export function makeRaw(input: NodeJS.ReadStream, signal: AbortSignal): Restore {
  if (!input.isTTY) return () => undefined;
  let isRaw = true;
  const restore = (): void => {
    if (!isRaw) return;
    isRaw = false;
    input.setRawMode(false);
    process.off("exit", restore);
    signal.removeEventListener("abort", restore);
  };
  process.on("exit", restore);
  signal.addEventListener("abort", restore, { once: true });
  input.setRawMode(true);
  return restore;
}
