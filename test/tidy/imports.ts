/**
 * Who imports whom, read from the text: a second look at the zones, and files that nobody needs.
 */
import { posix } from "node:path";
import { isCode, isTest, only, type RepositoryFile, type Rule } from "./rule.js";

export interface Import {
  readonly from: string;
  /** As it is written, or the path from the root of the repository when it is relative. */
  readonly to: string;
}

/** Also files that a test starts as a process of its own. */
const SPECIFIER = /(?:\bfrom|\bimport|\bnew URL)\s*\(?\s*"([^"]+)"/g;

export function importsOf({ path, text }: RepositoryFile): readonly Import[] {
  return [...text.matchAll(SPECIFIER)].map(([, specifier = ""]) => ({
    from: path,
    to: specifier.startsWith(".") ? resolved(path, specifier) : specifier,
  }));
}

function resolved(path: string, specifier: string): string {
  return posix.join(posix.dirname(path), specifier).replace(/\.js$/, ".ts");
}

interface Zone {
  readonly below: RegExp;
  readonly may: RegExp;
}

const CORE = "packages/core/src";
const CONTROLLER = "services/controller/src";
const AGENT = "services/node-agent/src";

const ZONES: readonly Zone[] = [
  { below: under(`${CORE}/domain`), may: under(`${CORE}/domain`) },
  {
    below: under(`${CORE}/(scheduling|reconcile)`),
    may: under(`${CORE}/(domain|scheduling|reconcile)`),
  },
  { below: under(`${CORE}/ports`), may: under(`${CORE}/(domain|ports)`) },
  { below: under(`${CORE}/transactions`), may: under(`${CORE}/(domain|ports|transactions)`) },
  {
    below: under(`${CONTROLLER}/(commands|loops|mirror|sessions|events)`),
    may: new RegExp(`^(@innkeeper/core$|${CONTROLLER}/(commands|loops|mirror|sessions|events)/)`),
  },
  {
    below: under(`${AGENT}/runner`),
    may: new RegExp(`^(@innkeeper/core$|${AGENT}/runner/)`),
  },
];

function under(folder: string): RegExp {
  return new RegExp(`^${folder}/`);
}

const zones: Rule = {
  name: "code that decides imports nothing that acts",
  check: (files) =>
    files
      .filter((file) => isCode(file) && !isTest(file))
      .flatMap(importsOf)
      .filter(({ from, to }) => ZONES.some(({ below, may }) => below.test(from) && !may.test(to)))
      .map(({ from, to }) => `${from}: may not import ${to}`),
  broken: [
    only(`${CORE}/domain/guest.ts`, 'import { readFileSync } from "node:fs";'),
    only(`${CORE}/scheduling/place.ts`, 'import type { Clock } from "../ports/clock.js";'),
    only(`${CORE}/ports/clock.ts`, 'export * from "../platform/system-clock.js";'),
    only(`${CORE}/transactions/change-feed.ts`, 'import { place } from "../scheduling/place.js";'),
    only(`${CONTROLLER}/commands/create-guest.ts`, 'import { Metadata } from "@grpc/grpc-js";'),
    only(`${CONTROLLER}/loops/leading.ts`, 'await import("../store/embedded-state-store.js");'),
    only(`${AGENT}/runner/guest-runner.ts`, 'import { x } from "../engines/qemu/machine.js";'),
  ],
};

/** Files that are started, not imported: programs, tests, settings of tools. */
const STARTED = [
  /\/main\.ts$/,
  /\.test\.ts$/,
  /\.config\.(ts|mjs)$/,
  /^\.dependency-cruiser\.mjs$/,
];

const references: Rule = {
  name: "every source file is reached from a program, a test or a workspace's exports",
  check: (files) => {
    const wanted = new Set(
      files
        .filter(isCode)
        .flatMap(importsOf)
        .map(({ to }) => to),
    );
    const isNamed = namedBy(files);
    return files
      .filter(isCode)
      .map(({ path }) => path)
      .filter((path) => !wanted.has(path) && !STARTED.some((each) => each.test(path)))
      .filter((path) => !isNamed(path))
      .map((path) => `${path}: nothing refers to it`);
  },
  broken: [
    only(`${CORE}/domain/forgotten.ts`, "export const x = 1;"),
    only("scripts/forgotten.mjs", "export const x = 1;"),
    only(`${CORE}/testing/contracts/forgotten.contract.ts`, "export const x = 1;"),
  ],
};

/** Named in a package.json or in a script; contracts by the name they are imported by. */
function namedBy(files: readonly RepositoryFile[]): (path: string) => boolean {
  const manifests = files.filter(({ path }) => path.endsWith("package.json"));
  const named = manifests.flatMap(({ path, text }) =>
    [...text.matchAll(/"(?:node )?(\.?\/?[a-z0-9/.-]+\.(?:ts|mjs))\b/g)].map(([, name = ""]) =>
      posix.join(posix.dirname(path), name),
    ),
  );
  const scripts = files.filter(({ path }) => /^(scripts|\.ci)\/|package\.json$/.test(path));
  const text = scripts.map((file) => file.text).join("\n");
  const contracts = files.flatMap(importsOf).map(({ to }) => to);
  return (path) =>
    named.includes(path) ||
    (path.startsWith("scripts/") && text.includes(posix.basename(path))) ||
    contracts.some((to) => isContract(to, path));
}

function isContract(specifier: string, path: string): boolean {
  const name = specifier.replace("@innkeeper/core/testing/contracts/", "");
  return name !== specifier && path === `${CORE}/testing/contracts/${name}.ts`;
}

export const IMPORT_RULES: readonly Rule[] = [zones, references];
