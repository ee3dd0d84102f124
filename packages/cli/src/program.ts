/**
 * The command tree of `inn`. Parsing decides what to run; running it needs a client, which is made
 * afterwards.
 */
import { Command, Option } from "commander";
import { decisionCommands } from "./commands/decision-commands.js";
import { guestCommands } from "./commands/guest-commands.js";
import { imageCommands } from "./commands/image-commands.js";
import { localCommands, type RegisterLocal } from "./commands/local-commands.js";
import { nodeCommands } from "./commands/node-commands.js";
import { operationCommands } from "./commands/operation-commands.js";
import { projectCommands } from "./commands/project-commands.js";
import { queueCommand } from "./commands/queue.js";
import { rebalanceCommand } from "./commands/rebalance.js";
import type { Register } from "./commands/register.js";
import { usageCommands } from "./commands/usage-commands.js";
import { OUTPUT_FORMATS, type OutputFormat } from "./output/terminal.js";

export interface GlobalOptions {
  readonly endpoint: string;
  readonly project: string;
  readonly output: OutputFormat;
  readonly wait: boolean;
  readonly requestId: string;
}

export function buildProgram(
  env: Readonly<Record<string, string | undefined>>,
  register: { readonly remote: Register; readonly local: RegisterLocal },
): Command {
  const program = new Command("inn")
    .description("Innkeeper: runs virtual machines on a cluster of hosts")
    .version("0.1.0")
    .option("--endpoint <host:port>", "a controller", env["INN_ENDPOINT"] ?? "127.0.0.1:7400")
    .option("--project <project>", "project of guests", env["INN_PROJECT"] ?? "")
    .addOption(
      new Option("-o, --output <format>", "table, json or yaml")
        .choices([...OUTPUT_FORMATS])
        .default("table"),
    )
    .option("--no-wait", "print the operation instead of waiting for its end")
    .option("--request-id <uuid>", "makes the request idempotent for 24 h", "")
    .exitOverride();
  localCommands(program, register.local);
  guestCommands(program, register.remote);
  usageCommands(program, register.remote);
  nodeCommands(program, register.remote);
  rebalanceCommand(program, register.remote);
  queueCommand(program, register.remote);
  decisionCommands(program, register.remote);
  projectCommands(program, register.remote);
  imageCommands(program, register.remote);
  operationCommands(program, register.remote);
  return program;
}
