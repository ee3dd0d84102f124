import { expect, it } from "vitest";
import { roundedStart } from "./rounded-start.js";

it.each([
  [0, 10],
  [1, 10],
  [52, 60],
  [60, 60],
  [101, 150],
  [999, 1000],
  [1310, 1500],
])("says %i ms as %i ms", (measured, said) => {
  expect(roundedStart(measured)).toBe(said);
});
