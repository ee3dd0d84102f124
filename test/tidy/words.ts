/** Text that must not be left behind, and calls that tests must not make. */
import {
  findLines,
  isCode,
  isDocument,
  isTest,
  only,
  type RepositoryFile,
  type Rule,
} from "./rule.js";

/** Patterns are written so that none of them matches its own source. */
const UNFINISHED = /\b(FIX[M]E|X{3}|HAC[K]|TOD[O](?!\(#\d+\)))\b/;
const MACHINE_PATH =
  /(^|[\s"'`(=:])(\/(home|Users|root|work)\/[A-Za-z]|[A-Z]:\\\\Users)|\.\.\/share[d]\b/;
const TOOLING =
  /\b(co-?pilot|assist[a]nt|sub-?agent|language[ -]model|(this|last|previous) session|an A[I])\b/i;
const SUPPRESSION = /@ts-(ignore|expect-error|nocheck)|biome-[i]gnore|eslint-[d]isable/;
const SLEEP = /\bsleep\w*\(|timers\/promises|new Promise\b.*\bset(Timeout|Immediate)\b/;
const SWITCHED_OFF =
  /\b(it|test|describe)\.(only|skip|todo|fails)\(|\b(xit|xtest|xdescribe|fit|fdescribe)\(/;

const unfinished: Rule = {
  name: "nothing unfinished is left behind without an issue",
  check: (files) => findLines(files.filter(isText), UNFINISHED, "finish it, or name the issue"),
  broken: [
    only("a.ts", `// ${"FIX"}${"ME"}: later`),
    only("a.ts", `// ${"TO"}${"DO"}: later`),
    only("a.md", `${"XX"}${"X"}`),
  ],
};

const machinePaths: Rule = {
  name: "no path of one machine is left behind",
  check: (files) => findLines(files.filter(isText), MACHINE_PATH, "belongs to one machine"),
  broken: [
    only("a.ts", `const x = "${["", "home", "someone", "x"].join("/")}";`),
    only("a.md", `See ${["", "work", "main"].join("/")}.`),
    only("scripts/a.mjs", `read("${["..", "shared"].join("/")}");`),
  ],
};

const tooling: Rule = {
  name: "the repository speaks of the product, not of how it was written",
  check: (files) => findLines(files.filter(isText), TOOLING, "not about the product"),
  broken: [
    only("a.md", `As written in the ${"previous"} ${"session"}.`),
    only("a.ts", `// a ${"sub"}${"agent"} did this`),
  ],
};

const suppressions: Rule = {
  name: "no check is switched off in place",
  check: (files) => findLines(files.filter(isCode), SUPPRESSION, "fix the cause"),
  broken: [
    only("a.ts", `// @ts-${"ignore"}`),
    only("a.ts", `// biome-${"ignore"} lint: x`),
    only("a.ts", `/* eslint-${"disable"} */`),
  ],
};

const sleeps: Rule = {
  name: "tests do not sleep",
  check: (files) =>
    findLines(
      files.filter((file) => isCode(file) && isTest(file) && !isTidy(file)),
      SLEEP,
      "advance the FakeClock or wait on a condition (vi.waitFor)",
    ),
  broken: [
    only("test/a.test.ts", "await sleep(100);"),
    only("test/a.test.ts", "await new Promise((resolve) => setTimeout(resolve, 100));"),
    only("test/a.test.ts", 'import { setTimeout } from "node:timers/promises";'),
  ],
};

const switchedOff: Rule = {
  name: "no test is switched off",
  check: (files) =>
    findLines(
      files.filter((file) => isCode(file) && !isTidy(file)),
      SWITCHED_OFF,
      "skip at run time with a reason (`context.skip(reason)`), or not at all",
    ),
  broken: [only("test/a.test.ts", 'it.skip("works", () => {});'), only("test/a.test.ts", "xit()")],
};

/** The rules' own examples are text, not calls. */
function isTidy({ path }: RepositoryFile): boolean {
  return path.startsWith("test/tidy/");
}

function isText(file: RepositoryFile): boolean {
  return isCode(file) || isDocument(file) || /\.(proto|json|ya?ml|example|S|ld)$/.test(file.path);
}

export const WORD_RULES: readonly Rule[] = [
  unfinished,
  machinePaths,
  tooling,
  suppressions,
  sleeps,
  switchedOff,
];
