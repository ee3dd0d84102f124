/**
 * What a tidy rule is: a pure function over the files of the repository, and files that break it.
 */

export interface RepositoryFile {
  /** From the root of the repository, with `/`. */
  readonly path: string;
  readonly text: string;
}

export interface Rule {
  /** A sentence that is true while the rule holds. */
  readonly name: string;
  /** One line for each violation; empty when the rule holds. */
  readonly check: (files: readonly RepositoryFile[]) => readonly string[];
  /** Small repositories that break the rule, each in its own way: proof that it can fail. */
  readonly broken: readonly (readonly RepositoryFile[])[];
}

export interface Line {
  readonly path: string;
  readonly number: number;
  readonly text: string;
}

/** A repository of one file, for `Rule.broken`. */
export function only(path: string, ...lines: readonly string[]): readonly RepositoryFile[] {
  return [{ path, text: `${lines.join("\n")}\n` }];
}

export function isCode({ path }: RepositoryFile): boolean {
  return /\.(ts|mjs)$/.test(path);
}

export function isTest({ path }: RepositoryFile): boolean {
  return /\.(test|contract)\.ts$/.test(path) || path.startsWith("test/");
}

export function isDocument({ path }: RepositoryFile): boolean {
  return path.endsWith(".md");
}

export function linesOf({ path, text }: RepositoryFile): readonly Line[] {
  return text.split("\n").map((line, index) => ({ path, number: index + 1, text: line }));
}

/** Every line of `files` that matches, as a finding with the replacement to use. */
export function findLines(
  files: readonly RepositoryFile[],
  pattern: RegExp,
  advice: string,
): readonly string[] {
  return files
    .flatMap(linesOf)
    .filter((line) => pattern.test(line.text))
    .map((line) => `${line.path}:${line.number}: ${advice}: ${line.text.trim()}`);
}
