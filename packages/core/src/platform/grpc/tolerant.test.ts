import type { ServiceDefinition } from "@grpc/grpc-js";
import { GuestServiceService } from "@innkeeper/proto/innkeeper/v1/guest_service";
import { expect, it } from "vitest";
import { decoded, tolerant } from "./tolerant.js";

const service: ServiceDefinition = tolerant(GuestServiceService as ServiceDefinition);

it("decodes what can be decoded as before", () => {
  const request = { projectId: "p", guestId: "g", minRevision: 7 };
  const bytes = GuestServiceService.getGuest.requestSerialize(request);
  expect(decoded(service["getGuest"]?.requestDeserialize(bytes))).toEqual(request);
});

it.each([
  ["bytes that are no protobuf", Buffer.from("ffffffffffffffffff", "hex")],
  ["a string that is cut short", Buffer.from([0x0a, 0x7f, 0x61])],
  ["an integer of 2^63 - 1", Buffer.from("18ffffffffffffffff7f", "hex")],
])("refuses %s as invalid instead of failing inside gRPC", (_, bytes) => {
  const request = service["getGuest"]?.requestDeserialize(bytes);
  expect(() => decoded(request)).toThrow(
    expect.objectContaining({ kind: "invalid", reason: "UNDECODABLE_REQUEST" }),
  );
});
