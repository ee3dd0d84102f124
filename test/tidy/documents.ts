/** Documents agree with the code: titles, the table of workspaces, settings, links. */
import { posix } from "node:path";
import { isCode, isDocument, isTest, only, type RepositoryFile, type Rule } from "./rule.js";

const oneTitle: Rule = {
  name: "every document has one title, in its first line",
  check: (files) =>
    files
      .filter(isDocument)
      .filter((file) => titlesOf(file) !== 1 || !file.text.startsWith("# "))
      .map((file) => `${file.path}: has ${titlesOf(file)} titles, or begins otherwise`),
  broken: [
    only("a.md", "# One", "", "# Two"),
    only("a.md", "No title."),
    only("a.md", "Text first.", "", "# Title"),
  ],
};

function titlesOf({ text }: RepositoryFile): number {
  const prose = text.replace(/^```.*?^```/gms, "");
  return [...prose.matchAll(/^# /gm)].length;
}

const workspaces: Rule = {
  name: "the README's table names every workspace and no other",
  check: (files) => {
    const readme = files.find(({ path }) => path === "README.md");
    if (readme === undefined) return [];
    const present = files
      .map(({ path }) => /^((packages|services)\/[^/]+|proto)\/package\.json$/.exec(path)?.[1])
      .filter((name) => name !== undefined);
    const told = [...readme.text.matchAll(/^\|\W*((?:packages|services)\/[a-z-]+|proto)\b/gm)].map(
      ([, name = ""]) => name,
    );
    return [
      ...missing(present, told).map((name) => `README.md: its table lacks ${name}`),
      ...missing(told, present).map((name) => `README.md: there is no workspace ${name}`),
    ];
  },
  broken: [
    [...only("README.md", "# X"), ...only("packages/core/package.json", "{}")],
    only("README.md", "# X", "| `packages/gone` | was here |"),
  ],
};

const settings: Rule = {
  name: "every setting is in .env.example, and nothing else is",
  check: (files) => {
    const example = files.filter(({ path }) => path === ".env.example");
    const told = variablesOf(example);
    const read = variablesOf(files.filter((file) => isSource(file) && !isTest(file)));
    return [
      ...missing(read, told).map((name) => `.env.example: lacks ${name}`),
      ...missing(told, read).map((name) => `.env.example: nothing reads ${name}`),
    ];
  },
  broken: [
    only("packages/cli/src/main.ts", 'read("INN_SOMETHING");'),
    only(".env.example", "INN_SOMETHING=1"),
  ],
};

function isSource(file: RepositoryFile): boolean {
  return isCode(file) && /^(packages|services)\//.test(file.path);
}

function variablesOf(files: readonly RepositoryFile[]): readonly string[] {
  return files.flatMap(({ text }) => text.match(/\bINN_[A-Z][A-Z_]*[A-Z]\b/g) ?? []);
}

const links: Rule = {
  name: "links and paths in documents lead to files that exist",
  check: (files) => {
    const paths = new Set(files.flatMap(({ path }) => ancestors(path)));
    return files.filter(isDocument).flatMap(({ path, text }) =>
      [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
        .map(([, target = ""]) => posix.join(posix.dirname(path), target).replace(/\/$/, ""))
        .filter((target) => !paths.has(target))
        .map((target) => `${path}: links to ${target}, which is not there`),
    );
  },
  broken: [only("a.md", "# A", "[b](docs/b.md)")],
};

function ancestors(path: string): readonly string[] {
  const parts = path.split("/");
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}

function missing(wanted: readonly string[], there: readonly string[]): readonly string[] {
  return [...new Set(wanted)].filter((each) => !there.includes(each));
}

export const DOCUMENT_RULES: readonly Rule[] = [oneTitle, workspaces, settings, links];
