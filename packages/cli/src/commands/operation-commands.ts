/** `inn op ...` and `inn events` */
import { Event } from "@innkeeper/proto/innkeeper/v1/event";
import { Operation } from "@innkeeper/proto/innkeeper/v1/operation";
import type { Command } from "commander";
import { allPages, PAGE_SIZE } from "../all-pages.js";
import type { CliContext } from "../cli-context.js";
import { describe, followOperation, subjectOf } from "../follow-operation.js";
import { age, enumName, table } from "../output/table.js";
import { parseCount } from "../parse-options.js";
import { ledgerOf } from "./node-drain.js";
import { rebalanceLedgerOf } from "./rebalance.js";
import type { Register } from "./register.js";

export function operationCommands(program: Command, register: Register): void {
  const op = program.command("op").description("long-running work");
  op.command("ls")
    .description("list operations, newest first")
    .action(() => register(listOperations));
  op.command("get <id>")
    .description("show one operation")
    .action((id: string) => register((context) => showOperation(context, id)));
  op.command("wait <id>")
    .description("wait until an operation has ended")
    .action((id: string) => register((context) => waitOperation(context, id)));
  op.command("cancel <id>")
    .description("ask a running operation to stop and undo what it can")
    .action((id: string) => register((context) => cancelOperation(context, id)));
  program
    .command("events")
    .description("what happened in the cluster")
    .option("-f, --follow", "stay and print what comes")
    .option("--from <revision>", "events after this revision", "0")
    .action(({ follow, from }: { follow?: boolean; from: string }) => {
      register((context) => printEvents(context, parseCount("--from", from), follow === true));
    });
}

async function listOperations({ client, terminal, projectId, nowMs }: CliContext): Promise<void> {
  const operations = await allPages(async (pageToken) => {
    const request = { projectId, pageSize: PAGE_SIZE, pageToken };
    const { operations: items, nextPageToken } = await client.operations.listOperations(request);
    return { items, nextPageToken };
  });
  const header = ["ID", "KIND", "SUBJECT", "STATE", "AGE", "MESSAGE"];
  const rows = operations.map((each) => [
    each.id,
    enumName(each.kind, "OPERATION_KIND_").toLowerCase(),
    subjectOf(each),
    enumName(each.state, "OPERATION_STATE_").toLowerCase(),
    age(each.createTime, nowMs()),
    each.message,
  ]);
  terminal.result(
    table(header, rows),
    operations.map((each) => Operation.toJSON(each)),
  );
}

async function showOperation({ client, terminal }: CliContext, operationId: string): Promise<void> {
  const { operation } = await client.operations.getOperation({ operationId });
  if (operation) terminal.result(operationText(operation), Operation.toJSON(operation));
}

async function waitOperation(context: CliContext, operationId: string): Promise<void> {
  const { operation } = await context.client.operations.getOperation({ operationId });
  const ended = await followOperation({ ...context, isWaiting: true }, operation);
  if (ended) context.terminal.result(operationText(ended), Operation.toJSON(ended));
}

async function cancelOperation(context: CliContext, operationId: string): Promise<void> {
  const { client, requestId } = context;
  const { operation } = await client.operations.cancelOperation({ operationId, requestId });
  if (operation) context.terminal.result(operationText(operation), Operation.toJSON(operation));
}

function operationText(operation: Operation): string {
  const state = enumName(operation.state, "OPERATION_STATE_").toLowerCase();
  const ledger = [...ledgerOf(operation.drain), ...rebalanceLedgerOf(operation.rebalance)];
  return [`${operation.id} ${state}: ${describe(operation)}`, ...ledger].join("\n");
}

async function printEvents(context: CliContext, from: number, isFollowing: boolean): Promise<void> {
  const { client, terminal, signal } = context;
  let afterRevision = from;
  for (;;) {
    const page = await client.events.listEvents({ afterRevision, pageSize: PAGE_SIZE });
    for (const event of page.events) terminal.result(eventText(event), Event.toJSON(event));
    if (page.lastRevision === afterRevision || page.events.length === 0) break;
    afterRevision = page.lastRevision;
  }
  if (!isFollowing) return;
  for await (const { event } of client.events.watchEvents({ afterRevision }, signal)) {
    if (event) terminal.result(eventText(event), Event.toJSON(event));
  }
}

function eventText({ revision, time, reason, message }: Event): string {
  const when = time?.toISOString() ?? "";
  return `${String(revision).padStart(6)}  ${when}  ${reason.padEnd(22)}  ${message}`;
}
