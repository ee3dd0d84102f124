/** OperationService: operations are records; waiting and watching follow the change log. */
import {
  type ChangeBatch,
  isDone,
  kindOf,
  notFound,
  type Operation,
  parseUuid,
  type Revision,
} from "@innkeeper/core";
import { serverStream, unary } from "@innkeeper/core/platform";
import { parseDurationMs } from "@innkeeper/core/wire";
import type {
  OperationServiceServer,
  WatchOperationResponse,
} from "@innkeeper/proto/innkeeper/v1/operation_service";
import { cancelOperation } from "../commands/cancel-operation.js";
import type { Controller } from "../controller.js";
import { pageOf, parseOptionalName, parseRequestId } from "./parse-request.js";
import { operationToProto } from "./record-codecs.js";

const WAIT = { min: 0, max: 3_600_000, unset: 30_000 };

export function operationService(controller: Controller): OperationServiceServer {
  const { log, mirror } = controller;
  const show = (id: string) => ({
    operation: operationToProto(findOperation(controller, id), mirror),
  });
  return {
    getOperation: unary(log, ({ operationId }) => show(parseUuid("operation_id", operationId))),
    listOperations: unary(log, (request) => {
      const projectId = parseOptionalName("project_id", request.projectId);
      const operations = mirror
        .operations()
        .filter((each) => projectId === "" || each.projectId === projectId);
      const page = pageOf(operations, newestFirst, { ...request, query: projectId });
      return {
        operations: page.items.map((each) => operationToProto(each, mirror)),
        nextPageToken: page.nextPageToken,
      };
    }),
    waitOperation: unary(log, async ({ operationId, timeout }) => {
      const id = parseUuid("operation_id", operationId);
      await waitUntilDone(controller, id, parseDurationMs("timeout", timeout, WAIT));
      return show(id);
    }),
    watchOperation: serverStream(log, ({ operationId }, signal) =>
      watchOperation(controller, parseUuid("operation_id", operationId), signal),
    ),
    cancelOperation: unary(log, async ({ operationId, requestId }) =>
      show(
        await cancelOperation(controller, {
          operationId: parseUuid("operation_id", operationId),
          requestId: parseRequestId(requestId),
        }),
      ),
    ),
  };
}

function findOperation({ mirror }: Controller, id: string): Operation {
  const found = mirror.operation(id);
  if (found === undefined) throw notFound("operation", id);
  return found.value;
}

/** Sorts the newest first: larger times give smaller keys. */
function newestFirst({ createdAtMs, id }: Operation): string {
  return `${String(Number.MAX_SAFE_INTEGER - createdAtMs).padStart(16, "0")}/${id}`;
}

async function waitUntilDone(controller: Controller, id: string, timeoutMs: number): Promise<void> {
  if (isDone(findOperation(controller, id))) return;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      unsubscribe();
      cancel();
      resolve();
    };
    const cancel = controller.clock.schedule(timeoutMs, end);
    const unsubscribe = controller.mirror.subscribe(() => {
      const operation = controller.mirror.operation(id)?.value;
      if (operation === undefined || isDone(operation)) end();
    });
  });
}

async function* watchOperation(
  controller: Controller,
  id: string,
  signal: AbortSignal,
): AsyncGenerator<WatchOperationResponse> {
  for await (const operation of versions(controller, id, signal)) {
    yield { operation: operationToProto(operation, controller.mirror) };
    if (isDone(operation)) return;
  }
}

/** As it is, then after each change. It is read anew when changes are no longer kept. */
async function* versions(
  controller: Controller,
  id: string,
  signal: AbortSignal,
): AsyncGenerator<Operation> {
  const { mirror, store } = controller;
  while (!signal.aborted) {
    const { revision } = mirror;
    yield findOperation(controller, id);
    for await (const batch of store.changes(revision, signal)) {
      if (batch === "compacted") break;
      const found = versionsIn(batch, id);
      if (found.length > 0) await seen(controller, batch.revision);
      yield* found;
    }
    await caughtUp(controller);
  }
}

/** So that reading the operation anew leads to changes that are still kept. */
async function caughtUp(controller: Controller): Promise<void> {
  await seen(controller, await controller.store.oldestRevision());
}

/** The result of an operation is read from the mirror, which may be behind the change log. */
async function seen({ mirror, clock, config }: Controller, revision: Revision): Promise<void> {
  await mirror.waitFor(revision, { clock, timeoutMs: config.mirrorWaitMs });
}

function versionsIn({ changes }: ChangeBatch, id: string): readonly Operation[] {
  return changes
    .filter(({ key }) => kindOf(key) === "operation")
    .map(({ value }) => value as Operation | undefined)
    .filter((operation) => operation !== undefined)
    .filter((operation) => operation.id === id);
}
