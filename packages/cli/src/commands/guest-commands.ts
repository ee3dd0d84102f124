/** `inn guest ...` */

import { readFile } from "node:fs/promises";
import { invalidField, type ModeRequest, type RestartWhen } from "@innkeeper/core";
import { durationOf, MODE_TO_PROTO, parseOneOf, RESTART_TO_PROTO } from "@innkeeper/core/wire";
import { Guest, GuestUsage, NetworkKind, Protocol } from "@innkeeper/proto/innkeeper/v1/guest";
import type { Command } from "commander";
import { allPages, PAGE_SIZE } from "../all-pages.js";
import type { CliContext } from "../cli-context.js";
import { followOperation } from "../follow-operation.js";
import { age, enumName, table } from "../output/table.js";
import {
  parseCpu,
  parseDisk,
  parseForward,
  parseMib,
  parseMs,
  parsePairs,
  parseSigned,
} from "../parse-options.js";
import { attachToConsole, type ConsoleOptions } from "./guest-console.js";
import { createMany, type ManyOptions } from "./guest-create-many.js";
import { diskCommands } from "./guest-disks.js";
import { type ExecOptions, execInGuest } from "./guest-exec.js";
import { explainGuest, explainNewGuest } from "./guest-explain.js";
import {
  type MigrationOptions,
  migrationCommands,
  migrationOptions,
  migrationPolicyFrom,
} from "./guest-migration.js";
import { type LimitOptions, limitsOf, resizeCommand } from "./guest-resize.js";
import { snapshotCommands } from "./guest-snapshots.js";
import { guestDetails } from "./guest-text.js";
import { parsePolicyOption } from "./placement-policy.js";
import type { Register } from "./register.js";
import { usageNow } from "./usage-now.js";

interface CreateOptions extends ManyOptions, LimitOptions, MigrationOptions {
  readonly dryRun?: boolean;
  readonly image: string;
  readonly mode: string;
  readonly needs: string[];
  readonly startWithin: string | undefined;
  readonly memory: string;
  readonly cpu: string;
  readonly disk: string | undefined;
  readonly dataDisk: string[];
  readonly node: string;
  readonly where: string[];
  readonly policy?: string;
  readonly priority: string;
  readonly preemptible?: boolean;
  readonly maxDown: string;
  readonly tolerate: string[];
  readonly group: string[];
  readonly forward: string[];
  readonly network: string;
  readonly userData: string | undefined;
  readonly networkConfig: string | undefined;
  readonly append: string;
  readonly restart: string;
  readonly stopTimeout: string;
  readonly label: string[];
}

const NETWORK_KINDS = { user: NetworkKind.USER, bridge: NetworkKind.BRIDGE } as const;
const NEEDS = ["live-migration", "own-kernel"] as const;

export function guestCommands(program: Command, register: Register): void {
  const guest = program.command("guest").description("virtual machines");
  createCommand(guest, register);
  queryCommands(guest, register);
  migrationCommands(guest, register);
  resizeCommand(guest, register);
  diskCommands(guest, register);
  snapshotCommands(guest, register);
  execCommand(guest, register);
  consoleCommand(guest, register);
  verbs(guest, register);
}

function createCommand(guest: Command, register: Register): void {
  const create = guest
    .command("create <name>")
    .description("place and start a new guest")
    .requiredOption("--image <image>", "what to boot")
    .option("--mode <mode>", "auto, full, hybrid, paravirt, container", "auto")
    .option("--needs <need...>", `what the mode must give it: ${NEEDS.join(", ")}`, [])
    .option(
      "--start-within <duration>",
      "how fast it must start, as measured; from a template if can be",
    )
    .option("--memory <size>", "memory, such as 128MiB", "128MiB")
    .option("--cpu <cpus>", "CPUs, such as 1 or 500m", "1")
    .option("--disk <size>", "disk, such as 1GiB; default: the image's, if it has one")
    .option(
      "--data-disk <name:size...>",
      "blank disks beside it, such as logs:1GiB; /mnt/logs in a container",
      [],
    )
    .option("--disk-iops <count>", "reads and writes a second at most; 0 = no limit")
    .option("--disk-rate <bytes>", "bytes read and written a second at most, such as 10MiB")
    .option("--pids <count>", "processes of a container at most")
    .option("--net-in <bytes>", "bytes that come to it a second at most, such as 10MiB")
    .option("--net-out <bytes>", "bytes that it sends a second at most; both on a bridge only")
    .option("--node <node>", "only this node", "")
    .option("--policy <policy>", "which node is best: spread, pack, balanced")
    .option(
      "--priority <number>",
      "who gets room first when there is too little, -1000 to 1000",
      "0",
    )
    .option("--preemptible", "it may be made to leave when a guest of greater priority has no room")
    .option("--max-down <budget>", "how many like it may be down then, such as '1 of app=web'", "")
    .option("--where <rule...>", "of node labels, such as 'zone in (a,b)' or 'ssd exists'", [])
    .option("--tolerate <taint...>", "taints it endures, such as gpu or dedicated=batch", [])
    .option("--group <rule...>", "to other guests, such as 'apart app=web by rack'", [])
    .option(
      "--forward <rule...>",
      "port of its node: tcp:2222:22, or 22 for any port to its 22",
      [],
    )
    .option("--network <kind>", "user: one of its own; bridge: on its node's bridge", "user")
    .option("--user-data <file>", "what it is told at its first boot, for instance a script")
    .option("--network-config <file>", "network configuration for cloud-init")
    .option("--append <text>", "added to the kernel command line", "")
    .option("--restart <when>", "always, on-failure, never", "on-failure")
    .option("--stop-timeout <duration>", "time to power off", "10s")
    .option("--label <key=value...>", "labels", [])
    .option("--count <count>", "create NAME-1, NAME-2, ...")
    .option("--gang", "with --count: all get places, or none does")
    .option("--dry-run", "only say where it would go, or what stands against it");
  migrationOptions(create).action((name: string, options: CreateOptions) => {
    register((context) => createGuest(context, name, options));
  });
}

function queryCommands(guest: Command, register: Register): void {
  guest
    .command("ls")
    .description("list guests")
    .option("--all-projects", "of all projects")
    .action(({ allProjects }: { allProjects?: boolean }) => {
      register((context) => listGuests(context, allProjects === true));
    });
  guest
    .command("get <name>")
    .description("show one guest")
    .action((name: string) => register((context) => showGuest(context, name)));
  guest
    .command("explain <name>")
    .description("why the guest is where it is, or why it is nowhere and what would help")
    .option("--node <node>", "why not there, or how good it is", "")
    .action((name: string, { node }: { node: string }) => {
      register((context) => explainGuest(context, name, node));
    });
  guest
    .command("logs <name>")
    .description("print the serial console")
    .option("-f, --follow", "stay and print what comes")
    .action((name: string, { follow }: { follow?: boolean }) => {
      register((context) => printLogs(context, name, follow === true));
    });
}

function consoleCommand(guest: Command, register: Register): void {
  guest
    .command("console <name>")
    .description("use the serial console: history, then what comes; Ctrl-] leaves")
    .option("--read-only", "do not write: any number may read, one may write")
    .option("--force", "take it from whoever writes now")
    .option("--history <bytes>", "how much of what was printed before", "4096")
    .option("--linger <duration>", "after the end of piped input, print so long what comes", "1s")
    .action((name: string, options: ConsoleOptions) => {
      register((context) => attachToConsole(context, name, options));
    });
}

function execCommand(guest: Command, register: Register): void {
  guest
    .command("exec <name> <command...>")
    .description(
      "run a command in a guest: exec NAME -- CMD ARGS; exits with its code, 125 without one",
    )
    .option("--timeout <duration>", "it is ended after this time", "60s")
    .option("-i, --input", "give it what comes on standard input, at most 64 KiB")
    .action((name: string, words: string[], options: ExecOptions) => {
      register((context) => execInGuest(context, { name, words }, options));
    });
}

const VERBS = {
  start: "start a stopped or failed guest",
  stop: "power a guest off",
  pause: "let a running guest stand still",
  resume: "let a paused guest run",
  delete: "end and remove a guest",
} as const;

function verbs(guest: Command, register: Register): void {
  for (const verb of Object.keys(VERBS) as (keyof typeof VERBS)[]) {
    guest
      .command(`${verb} <name>`)
      .description(VERBS[verb])
      .action((name: string) => register((context) => runVerb(context, verb, name)));
  }
}

async function runVerb(context: CliContext, verb: keyof typeof VERBS, name: string): Promise<void> {
  const { client, projectId, requestId } = context;
  const request = { projectId, guestId: name, requestId };
  const calls = {
    start: client.guests.startGuest,
    stop: client.guests.stopGuest,
    pause: client.guests.pauseGuest,
    resume: client.guests.resumeGuest,
    delete: client.guests.deleteGuest,
  };
  const { operation } = await calls[verb](request);
  const ended = await followOperation(context, operation);
  if (ended) context.terminal.result(`${verb} ${name}: ${ended.message}`, { operation: ended.id });
}

async function createGuest(
  context: CliContext,
  name: string,
  options: CreateOptions,
): Promise<void> {
  const { client, requestId, terminal } = context;
  const guest = await newGuest(context, name, options);
  if (options.dryRun) return await explainNewGuest(context, guest);
  if (options.count !== undefined) return await createMany(context, guest, options);
  const { operation } = await client.guests.createGuest({ guest, requestId });
  const ended = await followOperation(context, operation);
  if (ended?.result?.$case !== "guest") return;
  const created = ended.result.value;
  const placement = created.status?.placement;
  terminal.result(
    `guest ${name} is ${phaseOf(created)}: ${placement?.message ?? ""}`,
    Guest.toJSON(created),
  );
}

/** What the options ask for. */
async function newGuest(
  { projectId }: CliContext,
  name: string,
  options: CreateOptions,
): Promise<Guest> {
  const modes = Object.keys(MODE_TO_PROTO) as ModeRequest[];
  const restarts = Object.keys(RESTART_TO_PROTO) as RestartWhen[];
  return Guest.fromPartial({
    id: name,
    projectId,
    labels: parsePairs("--label", options.label),
    spec: {
      imageId: options.image,
      mode: MODE_TO_PROTO[parseOneOf("--mode", options.mode, modes)],
      needs: needsOf(options),
      rules: {
        where: options.where,
        tolerations: options.tolerate,
        groups: options.group,
        policy: parsePolicyOption(options.policy),
      },
      resources: {
        cpuMillis: parseCpu("--cpu", options.cpu),
        memoryMib: parseMib("--memory", options.memory),
        diskMib: options.disk === undefined ? 0 : parseMib("--disk", options.disk),
      },
      priority: parseSigned("--priority", options.priority),
      preemptible: options.preemptible === true,
      disruptionBudget: options.maxDown,
      ...migrationPolicyFrom(options),
      limits: limitsOf(options),
      dataDisks: options.dataDisk.map((text) => parseDisk("--data-disk", text)),
      commandLine: options.append,
      forwards: options.forward.map(forwardOf),
      networkKind: NETWORK_KINDS[parseOneOf("--network", options.network, ["user", "bridge"])],
      ...(await seedOf(options)),
      nodeId: options.node,
      restartPolicy: {
        condition: RESTART_TO_PROTO[parseOneOf("--restart", options.restart, restarts)],
      },
      stopTimeout: durationOf(parseMs("--stop-timeout", options.stopTimeout)),
    },
  });
}

/** Nothing is told where nothing is given. */
async function seedOf({ userData, networkConfig }: CreateOptions) {
  if (userData === undefined && networkConfig === undefined) return {};
  const user = await readOption(userData);
  return { seed: { userData: user, networkConfig: await readOption(networkConfig) } };
}

async function readOption(file: string | undefined): Promise<Buffer> {
  if (file === undefined) return Buffer.alloc(0);
  return await readFile(file).catch((error: Error) => {
    throw invalidField("file", file, `a file that can be read: ${error.message}`);
  });
}

function forwardOf(text: string) {
  const { protocol, ...ports } = parseForward("--forward", text);
  return { ...ports, protocol: protocol === "udp" ? Protocol.UDP : Protocol.TCP };
}

function needsOf({ needs, startWithin }: CreateOptions) {
  const asked = needs.map((need) => parseOneOf("--needs", need, NEEDS));
  return {
    liveMigration: asked.includes("live-migration"),
    ownKernel: asked.includes("own-kernel"),
    ...(startWithin === undefined
      ? {}
      : { startWithin: durationOf(parseMs("--start-within", startWithin)) }),
  };
}

async function listGuests(context: CliContext, isEveryProject: boolean): Promise<void> {
  const { client, terminal, nowMs } = context;
  const projectId = isEveryProject ? "" : context.projectId || "default";
  const guests = await allPages(async (pageToken) => {
    const request = { projectId, pageSize: PAGE_SIZE, pageToken, minRevision: 0 };
    const { guests: items, nextPageToken } = await client.guests.listGuests(request);
    return { items, nextPageToken };
  });
  const header = ["NAME", "PHASE", "NODE", "MODE", "CPU", "MEMORY", "RESTARTS", "AGE", "REASON"];
  const rows = guests.map((each) => [
    isEveryProject ? `${each.projectId}/${each.id}` : each.id,
    phaseOf(each),
    each.status?.placement?.nodeId ?? "-",
    enumName(each.status?.placement?.mode ?? each.spec?.mode ?? "", "MODE_").toLowerCase(),
    `${each.spec?.resources?.cpuMillis ?? 0}m`,
    `${each.spec?.resources?.memoryMib ?? 0}MiB`,
    String(each.status?.restartCount ?? 0),
    age(each.createTime, nowMs()),
    each.status?.reason ?? "",
  ]);
  terminal.result(
    table(header, rows),
    guests.map((each) => Guest.toJSON(each)),
  );
}

async function getGuest({ client, projectId }: CliContext, guestId: string): Promise<Guest> {
  const { guest } = await client.guests.getGuest({ projectId, guestId, minRevision: 0 });
  return guest ?? Guest.fromPartial({});
}

async function showGuest(context: CliContext, name: string): Promise<void> {
  const guest = await getGuest(context, name);
  const usage = await usageNow(context, name);
  const forwardHost = await forwardHostOf(context, guest);
  context.terminal.result(guestDetails(guest, { nowMs: context.nowMs(), usage, forwardHost }), {
    ...(Guest.toJSON(guest) as object),
    ...(usage ? { usage: GuestUsage.toJSON(usage) } : {}),
  });
}

/** Where its ports are reached; empty while that is not known. */
async function forwardHostOf({ client }: CliContext, { spec, status }: Guest): Promise<string> {
  const nodeId = status?.placement?.nodeId ?? "";
  if (nodeId === "" || (spec?.forwards ?? []).length === 0) return "";
  const { node } = await client.nodes.getNode({ nodeId });
  return node?.forwardHost ?? "";
}

async function printLogs(context: CliContext, guestId: string, follow: boolean): Promise<void> {
  const { client, projectId, terminal, signal } = context;
  const pieces = client.guests.readConsole({ projectId, guestId, follow }, signal);
  for await (const { data } of pieces) terminal.write(data);
}

export function phaseOf(guest: Guest): string {
  return enumName(guest.status?.phase ?? "", "GUEST_PHASE_");
}
