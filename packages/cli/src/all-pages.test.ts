import { expect, it } from "vitest";
import { allPages } from "./all-pages.js";

it("reads page after page until there is no next one", async () => {
  const asked: string[] = [];
  const pages: Record<string, { items: number[]; nextPageToken: string }> = {
    "": { items: [1, 2], nextPageToken: "b" },
    b: { items: [], nextPageToken: "c" },
    c: { items: [3], nextPageToken: "" },
  };
  const all = await allPages((token) => {
    asked.push(token);
    return Promise.resolve(pages[token] ?? { items: [], nextPageToken: "" });
  });
  expect(all).toEqual([1, 2, 3]);
  expect(asked).toEqual(["", "b", "c"]);
});

it("passes on what the server refuses", async () => {
  await expect(allPages(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
});
