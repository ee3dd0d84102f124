/**
 * Service definitions whose requests never fail to decode inside grpc-js (which would answer
 * INTERNAL): an undecodable request reaches the handler as {@link UndecodableRequest} and is
 * refused there as `invalid`.
 */
import type { ServiceDefinition } from "@grpc/grpc-js";
import { DomainError } from "../../domain/errors.js";

const ALLOWED = "the published messages, integers below 2^53";

export class UndecodableRequest {
  constructor(readonly cause: unknown) {}
}

export function tolerant<Service extends ServiceDefinition>(service: Service): Service {
  const entries = Object.entries(service).map(([name, method]) => {
    const requestDeserialize = (bytes: Buffer): unknown => {
      try {
        return method.requestDeserialize(bytes);
      } catch (cause) {
        return new UndecodableRequest(cause);
      }
    };
    return [name, { ...method, requestDeserialize }];
  });
  return Object.fromEntries(entries) as Service;
}

/** @throws `invalid` when the request could not be decoded. */
export function decoded<Request>(request: Request): Request {
  if (!(request instanceof UndecodableRequest)) return request;
  const why = request.cause instanceof Error ? request.cause.message : "malformed";
  throw new DomainError(
    {
      kind: "invalid",
      reason: "UNDECODABLE_REQUEST",
      message: `the request cannot be decoded: ${why}; allowed: ${ALLOWED}`,
      metadata: { why },
    },
    { cause: request.cause },
  );
}
