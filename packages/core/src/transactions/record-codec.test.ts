import { expect, it } from "vitest";
import { aGuest, aNode, anImage, anOperation, aProject } from "../testing/builders.js";
import { decodeRecord, encodeRecord, RECORD_SCHEMA_VERSION } from "./record-codec.js";

it.each([
  ["project", aProject({ quota: { guests: 3 } })],
  ["node", aNode({ labels: { zone: "a" } })],
  ["guest", aGuest({ onNode: "n1" })],
  ["image", anImage()],
  ["operation", anOperation()],
])("gives back a whole %s", (_, value) => {
  expect(decodeRecord("k", encodeRecord(value))).toEqual(value);
});

it("writes the version of the shape with each record", () => {
  expect(JSON.parse(encodeRecord(aProject()))).toEqual({
    schema_version: RECORD_SCHEMA_VERSION,
    value: JSON.parse(JSON.stringify(aProject())),
  });
});

it.each([
  ["no JSON", "{", "it is not JSON"],
  ["no object", "7", "it is not a stored record"],
  ["null", "null", "it is not a stored record"],
  ["without version", '{"value":{}}', "it is not a stored record"],
  ["of another version", '{"schema_version":2,"value":{}}', "schema version 2 is not known"],
  ["without value", `{"schema_version":${RECORD_SCHEMA_VERSION}}`, "it has no value"],
  ["with a null value", '{"schema_version":1,"value":null}', "it has no value"],
])("calls text that is %s corrupt and names its key", (_, text, why) => {
  expect(() => decodeRecord("guest/p/g", text)).toThrow(
    expect.objectContaining({ kind: "corrupt", metadata: { key: "guest/p/g", why } }),
  );
});
