/**
 * What is typed at a console, on its way to the guest. Where the guest has no terminal, this end
 * does the little that one does: it shows what is typed and ends lines as programs read them.
 */
export const ESCAPE_KEY = 0x1d;
export const ESCAPE_NAME = "Ctrl-]";

const RETURN = 0x0d;

export interface Typed {
  /** What the guest gets. */
  readonly bytes: Uint8Array;
  /** What is shown here. */
  readonly echo: string;
  /** The escape key came; what was typed after it is nobody's. */
  readonly isLeaving: boolean;
}

export function typed(pressed: Uint8Array, hasTerminal: boolean): Typed {
  const at = pressed.indexOf(ESCAPE_KEY);
  const isLeaving = at >= 0;
  const bytes = isLeaving ? pressed.subarray(0, at) : pressed;
  if (hasTerminal) return { bytes, echo: "", isLeaving };
  const lines = Uint8Array.from(bytes, (byte) => (byte === RETURN ? 0x0a : byte));
  return { bytes: lines, echo: Buffer.from(lines).toString(), isLeaving };
}
