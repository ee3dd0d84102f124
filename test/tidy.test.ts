/**
 * The house style as a test. Each rule is also shown files that break it: a rule that cannot fail
 * is none.
 */
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { DOCUMENT_RULES } from "./tidy/documents.js";
import { IMPORT_RULES } from "./tidy/imports.js";
import { readRepository } from "./tidy/read-repository.js";
import { SHAPE_RULES } from "./tidy/shape.js";
import { WORD_RULES } from "./tidy/words.js";

const RULES = [...SHAPE_RULES, ...IMPORT_RULES, ...WORD_RULES, ...DOCUMENT_RULES];
const repository = readRepository(fileURLToPath(new URL("..", import.meta.url)));

describe("the repository is tidy", () => {
  it("is read at all", () => {
    expect(repository.map(({ path }) => path)).toContain("test/tidy.test.ts");
  });

  for (const { name, check } of RULES) {
    it(name, () => {
      expect(check(repository)).toEqual([]);
    });
  }
});

describe("a tidy rule can fail", () => {
  it("has files that break it, for each rule", () => {
    expect(RULES.filter(({ broken }) => broken.length === 0)).toEqual([]);
  });

  for (const { name, check, broken } of RULES) {
    it(`notices what breaks it: ${name}`, () => {
      for (const files of broken) expect(check(files), files[0]?.text).not.toEqual([]);
    });
  }
});
