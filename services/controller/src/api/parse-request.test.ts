import { forEachSeed } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import {
  pageOf,
  parseEtag,
  parseOptionalName,
  parsePageSize,
  parseProjectId,
  parseRequestId,
} from "./parse-request.js";

const same = (item: string): string => item;

describe("pageOf", () => {
  it("gives every item exactly once, in order, page by page", () => {
    forEachSeed(100, (prng) => {
      const items = prng.shuffle(Array.from({ length: prng.integer(0, 30) }, (_, n) => `k${n}`));
      const pageSize = prng.integer(1, 7);
      const seen = readAll(() => items, pageSize);
      expect(seen).toEqual([...items].sort());
    });
  });

  it("misses no item that stays, and gives none twice, while others come and go", () => {
    forEachSeed(200, (prng) => {
      const staying = Array.from({ length: 10 }, (_, n) => `s${n}`);
      const others = ["a", "s35", "s5x", "z"];
      const seen = readAll(() => [...staying, ...others.filter(() => prng.chance(0.5))], 3);
      expect(seen.filter((each) => staying.includes(each))).toEqual(staying);
      expect(new Set(seen).size).toBe(seen.length);
    });
  });

  it("says that there is no more on the last page, even when it is full", () => {
    expect(pageOf(["a", "b"], same, { pageSize: 2, pageToken: "" }).nextPageToken).toBe("");
    expect(pageOf(["a", "b"], same, { pageSize: 1, pageToken: "" }).nextPageToken).not.toBe("");
  });

  it("refuses a token of another query, and what is no token", () => {
    const first = pageOf(["a", "b"], same, { pageSize: 1, pageToken: "", query: "p1" });
    const token = first.nextPageToken;
    const json = (value: unknown): string =>
      Buffer.from(JSON.stringify(value)).toString("base64url");
    const bad = ["x", "!!", json(7), json(["v1"]), json(["v2", "p2", "a"]), json(["v1", "p2", 5])];
    for (const pageToken of [token, ...bad]) {
      const asking = (): unknown => pageOf(["a"], same, { pageSize: 1, pageToken, query: "p2" });
      expect(asking).toThrow(expect.objectContaining({ kind: "invalid" }));
    }
    expect(pageOf(["a", "b"], same, { pageSize: 1, pageToken: token, query: "p1" }).items).toEqual([
      "b",
    ]);
  });
});

describe("parts of requests", () => {
  it("have a page size of 50 unless asked, at most 1000, never negative", () => {
    expect([0, 1, 1000, 5000].map(parsePageSize)).toEqual([50, 1, 1000, 1000]);
    for (const bad of [-1, 0.5, Number.NaN]) expect(() => parsePageSize(bad)).toThrow("page_size");
  });

  it("have the default project unless one is named", () => {
    expect(parseProjectId("project_id", "")).toBe("default");
    expect(parseProjectId("project_id", "acme")).toBe("acme");
    expect(() => parseProjectId("project_id", "A")).toThrow("project_id");
    expect(parseOptionalName("node_id", "")).toBe("");
  });

  it("have no request id or a UUID", () => {
    expect(parseRequestId("")).toBe("");
    expect(() => parseRequestId("again")).toThrow("request_id");
  });

  it("have etags as they were given out", () => {
    expect(parseEtag("etag", "")).toBe(0);
    expect(parseEtag("etag", "17")).toBe(17);
    for (const bad of ["0", "-1", "01", "1.5", "abc", "1".repeat(17)]) {
      expect(() => parseEtag("etag", bad)).toThrow("etag");
    }
  });
});

function readAll(items: () => readonly string[], pageSize: number): string[] {
  const seen: string[] = [];
  let pageToken = "";
  for (let page = 0; page < 100; page += 1) {
    const { items: found, nextPageToken } = pageOf(items(), same, { pageSize, pageToken });
    seen.push(...found);
    if (nextPageToken === "") return seen;
    pageToken = nextPageToken;
  }
  throw new Error("the pages do not end");
}
