/** Where `inn` writes: results to standard output, progress and errors to standard error. */
import { stringify } from "yaml";

export type OutputFormat = "table" | "json" | "yaml";
export const OUTPUT_FORMATS: readonly OutputFormat[] = ["table", "json", "yaml"];

export interface Terminal {
  /** Progress lines overwrite each other. */
  readonly isInteractive: boolean;
  /** A result: for people as text, for programs as JSON or YAML. */
  result(text: string, json: unknown): void;
  /** Plain text or bytes of a result, whatever the format. */
  write(data: string | Uint8Array): void;
  /** Resolves when whoever reads can take more. */
  writeSlowly(data: Uint8Array): Promise<void>;
  /** Bytes of a diagnosis: what a command in a guest prints on its standard error. */
  writeError(data: Uint8Array): void;
  /** A line about what goes on; overwritten by the next one on a terminal. */
  progress(line: string): void;
  /** Ends the progress line. */
  endProgress(): void;
  note(line: string): void;
}

export function createTerminal(
  format: OutputFormat,
  streams: { readonly out: NodeJS.WriteStream; readonly err: NodeJS.WriteStream },
): Terminal {
  const { out, err } = streams;
  let last = "";
  const endProgress = (): void => {
    if (last !== "" && err.isTTY) err.write("\n");
    last = "";
  };
  return {
    isInteractive: err.isTTY === true,
    result(text, json) {
      if (format === "table") out.write(`${text}\n`);
      else if (format === "json") out.write(`${JSON.stringify(json, undefined, 2)}\n`);
      else out.write(stringify(json));
    },
    write: (data) => {
      out.write(data);
    },
    writeSlowly: (data) =>
      new Promise((resolve) => {
        if (out.write(data)) resolve();
        else out.once("drain", resolve);
      }),
    writeError: (data) => {
      err.write(data);
    },
    progress(line) {
      if (line === last) return;
      last = line;
      err.write(err.isTTY ? `\r\u001b[K${line}` : `${line}\n`);
    },
    endProgress,
    note(line) {
      endProgress();
      err.write(`${line}\n`);
    },
  };
}
