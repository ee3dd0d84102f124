/** CreateGuests, once or as a stream: parses, calls the commands, answers guest by guest. */
import { invalidField, notFound } from "@innkeeper/core";
import { errorToProto } from "@innkeeper/core/wire";
import type {
  CreateGuestResult,
  CreateGuestsRequest,
  CreateGuestsResponse,
  StreamCreateGuestsRequest,
  StreamCreateGuestsResponse,
} from "@innkeeper/proto/innkeeper/v1/guest_service";
import { type CreationOutcome, createGang, createGuests } from "../commands/create-guests.js";
import type { Controller } from "../controller.js";
import { parseNewGuest } from "./guest-codec.js";
import { parseRequestId } from "./parse-request.js";
import { operationToProto } from "./record-codecs.js";

const GUESTS_MAX = 1000;
/** They are committed, and placed, in one transaction. */
const GANG_MAX = 64;

export async function createMany(
  controller: Controller,
  request: CreateGuestsRequest,
): Promise<CreateGuestsResponse> {
  const { gang, guests } = request;
  const max = gang ? GANG_MAX : GUESTS_MAX;
  if (guests.length < 1 || guests.length > max) {
    const allowed = `1 to ${max} guests${gang ? " of a gang" : ""}`;
    throw invalidField("guests", guests.length, allowed);
  }
  const parsed = guests.map((guest, index) => parseNewGuest(guest, `guests[${index}]`));
  const requestId = parseRequestId(request.requestId);
  const outcomes = gang
    ? (await createGang(controller, parsed, requestId)).map((operationId) => ({ operationId }))
    : await createGuests(controller, parsed, requestId);
  controller.log.info({ requestId, guestCount: guests.length, gang }, "guests were asked for");
  return { results: outcomes.map((outcome) => resultOf(controller, outcome)) };
}

/** One request after the other; the client may send the next one meanwhile. */
export async function* streamCreateMany(
  controller: Controller,
  requests: AsyncIterable<StreamCreateGuestsRequest>,
): AsyncGenerator<StreamCreateGuestsResponse> {
  for await (const { request } of requests) {
    if (request === undefined) throw invalidField("request", "unset", "a request");
    yield { response: await createMany(controller, request) };
  }
}

function resultOf({ mirror }: Controller, outcome: CreationOutcome): CreateGuestResult {
  if ("error" in outcome) {
    const error = errorToProto(outcome.error);
    return { outcome: error && { $case: "error", value: error } };
  }
  const operation = mirror.operation(outcome.operationId)?.value;
  if (operation === undefined) throw notFound("operation", outcome.operationId);
  return { outcome: { $case: "operation", value: operationToProto(operation, mirror) } };
}
