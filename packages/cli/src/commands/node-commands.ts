/** `inn node ...` */
import { Node } from "@innkeeper/proto/innkeeper/v1/node";
import type { Command } from "commander";
import { allPages, PAGE_SIZE } from "../all-pages.js";
import type { CliContext } from "../cli-context.js";
import { age, details, enumName, table } from "../output/table.js";
import { type DrainOptions, drainNode, returnGuests } from "./node-drain.js";
import type { Register } from "./register.js";

export function nodeCommands(program: Command, register: Register): void {
  const node = program.command("node").description("hosts that run guests");
  node
    .command("ls")
    .description("list nodes")
    .action(() => register(listNodes));
  node
    .command("get <name>")
    .description("show one node")
    .action((name: string) => register((context) => showNode(context, name)));
  node
    .command("cordon <name>")
    .description("let a node take no new guests")
    .action((name: string) => register((context) => cordon(context, name, true)));
  node
    .command("uncordon <name>")
    .description("let a node take guests again")
    .option("--return", "move those home that its newest drain has moved away")
    .action((name: string, options: { return?: boolean }) => {
      register((context) =>
        options.return ? returnGuests(context, name) : cordon(context, name, false),
      );
    });
  node
    .command("drain <name>")
    .description("cordon a node and move all its guests away while they run")
    .option("--dry-run", "only say where each would go, and which cannot")
    .option("--deadline <duration>", "give up what is left after this time, such as 10m")
    .action((name: string, options: DrainOptions) => {
      register((context) => drainNode(context, name, options));
    });
}

async function listNodes({ client, terminal }: CliContext): Promise<void> {
  const nodes = await allPages(async (pageToken) => {
    const { nodes: items, nextPageToken } = await client.nodes.listNodes({
      pageSize: PAGE_SIZE,
      pageToken,
    });
    return { items, nextPageToken };
  });
  const header = ["NAME", "STATE", "GUESTS", "CPU", "MEMORY", "MODES", "ADDRESS"];
  const rows = nodes.map((each) => [
    each.id,
    stateOf(each),
    String(each.guestCount),
    used(each, "cpuMillis", "m"),
    used(each, "memoryMib", "MiB"),
    modesOf(each),
    each.address,
  ]);
  terminal.result(
    table(header, rows),
    nodes.map((each) => Node.toJSON(each)),
  );
}

async function showNode({ client, terminal, nowMs }: CliContext, nodeId: string): Promise<void> {
  const { node } = await client.nodes.getNode({ nodeId });
  if (node === undefined) return;
  const labels = Object.entries(node.labels).map(([key, value]) => `${key}=${value}`);
  const text = details([
    ["name", node.id],
    ["state", stateOf(node)],
    ["address", node.address],
    ["labels", labels.join(", ")],
    ["guests", String(node.guestCount)],
    ["cpu", used(node, "cpuMillis", "m")],
    ["memory", used(node, "memoryMib", "MiB")],
    ["disk", used(node, "diskMib", "MiB")],
    ["modes", modesOf(node)],
    ["templates", node.templates.map(templateText).join("\n")],
    ["problems", node.problems.join("; ")],
    ["joined", age(node.joinTime, nowMs())],
  ]);
  terminal.result(text, Node.toJSON(node));
}

async function cordon(context: CliContext, nodeId: string, isCordoned: boolean): Promise<void> {
  const { client, requestId, terminal } = context;
  const call = isCordoned ? client.nodes.cordonNode : client.nodes.uncordonNode;
  const { node } = await call({ nodeId, requestId });
  if (node) terminal.result(`node ${node.id} is ${stateOf(node)}`, Node.toJSON(node));
}

function stateOf(node: Node): string {
  const state = enumName(node.state, "NODE_STATE_").toLowerCase();
  return node.cordoned ? `${state}, cordoned` : state;
}

function used(node: Node, kind: "cpuMillis" | "memoryMib" | "diskMib", unit: string): string {
  return `${node.allocated?.[kind] ?? 0}/${node.allocatable?.[kind] ?? 0}${unit}`;
}

function modesOf(node: Node): string {
  const each = node.abilities.map(
    ({ engine, mode, acceleration, startMs }) =>
      `${enumName(mode, "MODE_").toLowerCase()}(${engine},${acceleration}${startText(startMs)})`,
  );
  return each.join(" ") || "none";
}

function templateText(template: Node["templates"][number]): string {
  const { mode, imageDigest, vcpuCount, memoryMib, diskMib, commandLine, startMs } = template;
  const beside = template.dataDisks.map(({ name, sizeMib }) => `, ${sizeMib} MiB disk ${name}`);
  const disk = `${diskMib === 0 ? "" : `, ${diskMib} MiB disk`}${beside.join("")}`;
  const told = commandLine === "" ? "" : `, ${JSON.stringify(commandLine)}`;
  const size = `${vcpuCount} vCPU, ${memoryMib} MiB${disk}${told}`;
  const digest = imageDigest.slice(0, 12);
  return `${enumName(mode, "MODE_").toLowerCase()} ${digest} (${size}): ${startMs}ms`;
}

function startText(startMs: number): string {
  return startMs === 0 ? "" : `,${startMs}ms`;
}
