/** Sizes, names and headers of files. */
import { isCode, isTest, linesOf, only, type RepositoryFile, type Rule } from "./rule.js";

const LINE_LENGTH_MAX = 100;
const FILE_LINES_MAX = 400;
const TEST_FILE_LINES_MAX = 600;
const FILE_BYTES_MAX = 200_000;

/** Names that say nothing about what is inside, or the kind of thing instead of the thing. */
const BANNED_NAMES =
  /^(utils?|helpers?|commons?|misc|shared|types?|interfaces?|constants?|managers?)$/;

/** The formatter keeps the import of a single name on one line. */
const UNBREAKABLE = /^import (type )?\{ [^,]+ \} from "[^"]+";$/;

const lineLength: Rule = {
  name: `lines of code have at most ${LINE_LENGTH_MAX} characters`,
  check: (files) =>
    files
      .filter(isCode)
      .flatMap(linesOf)
      .filter(({ text }) => text.length > LINE_LENGTH_MAX && !UNBREAKABLE.test(text))
      .map(({ path, number, text }) => `${path}:${number}: ${text.length} characters`),
  broken: [only("packages/core/src/domain/guest.ts", "x".repeat(LINE_LENGTH_MAX + 1))],
};

const fileLength: Rule = {
  name: `files have at most ${FILE_LINES_MAX} lines, tests ${TEST_FILE_LINES_MAX}`,
  check: (files) =>
    files
      .filter(isCode)
      .map((file) => ({ file, lines: linesOf(file).length - 1 }))
      .filter(({ file, lines }) => lines > (isTest(file) ? TEST_FILE_LINES_MAX : FILE_LINES_MAX))
      .map(({ file, lines }) => `${file.path}: ${lines} lines: split it`),
  broken: [
    only("packages/core/src/domain/guest.ts", ...numbered(FILE_LINES_MAX + 1)),
    only("packages/core/src/domain/guest.test.ts", ...numbered(TEST_FILE_LINES_MAX + 1)),
  ],
};

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `// ${index}`);
}

const fileSize: Rule = {
  name: "no large file is kept, apart from the lock",
  check: (files) =>
    files
      .filter(({ path, text }) => path !== "package-lock.json" && text.length > FILE_BYTES_MAX)
      .map(({ path, text }) => `${path}: ${text.length} characters`),
  broken: [only("images/tiny/tiny.elf", "x".repeat(FILE_BYTES_MAX + 1))],
};

const names: Rule = {
  name: "folders and files are named in kebab-case after what they hold",
  check: (files) => files.filter(isCode).flatMap(badNames),
  broken: [
    only("packages/core/src/utils/clamp.ts", ""),
    only("packages/core/src/domain/types.ts", ""),
    only("packages/core/src/domain/guestLifecycle.ts", ""),
    only("packages/core/src/Domain/guest.ts", ""),
  ],
};

function badNames({ path }: RepositoryFile): readonly string[] {
  const parts = path.split("/").map((part) => part.replace(/(\.[a-z]+)+$/, ""));
  const isBad = (part: string): boolean =>
    BANNED_NAMES.test(part) || !/^\.?[a-z0-9]+(-[a-z0-9]+)*$/.test(part);
  return parts.filter(isBad).map((part) => `${path}: "${part}" is not a name we use`);
}

const headers: Rule = {
  name: "every file of code begins by saying what it owns",
  check: (files) =>
    files
      .filter((file) => isCode(file) && !/\.test\.ts$/.test(file.path))
      .filter(({ text }) => !/^(#!.*\n)?\/\*\*/.test(text))
      .map(({ path }) => `${path}: has no header comment`),
  broken: [only("packages/core/src/domain/guest.ts", "export const x = 1;")],
};

export const SHAPE_RULES: readonly Rule[] = [lineLength, fileLength, fileSize, names, headers];
