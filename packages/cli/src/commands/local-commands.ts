/** Commands that need no running cluster: `inn up`, `inn demo`, `inn doctor`. */
import type { Command } from "commander";
import type { LocalContext } from "../cli-context.js";
import { runDoctor } from "../cluster/doctor.js";
import { runUp, type UpOptions } from "../cluster/up.js";
import { type DemoOptions, runDemo } from "../demo/demo.js";

export type RegisterLocal = (run: (context: LocalContext) => Promise<void>) => void;

export function localCommands(program: Command, register: RegisterLocal): void {
  program
    .command("up")
    .description("run a controller and three node agents in this process; guests outlive it")
    .option("--data <directory>", "where everything is kept", ".innkeeper")
    .option("--listen <host:port>", "address of the API", "127.0.0.1:7400")
    .option("--nodes <count>", "number of node agents", "3")
    .option("--engines <engines>", "qemu, container, sim, with commas", "qemu,container")
    .option("--bridge <name>", "a bridge of this host that guests may be on", "")
    .option("--log <level>", "debug, info, warn, error", "warn")
    .action((options: UpOptions) => register((context) => runUp(context, options)));
  program
    .command("demo")
    .description(
      "the whole story on real guests in a minute, on a cluster of its own or, with --endpoint, " +
        "on one that runs; leaves nothing behind",
    )
    .option("--json", "end with one line of JSON that holds every figure")
    .option("--keep-logs", "print the services' logs")
    .action((options: Omit<DemoOptions, "endpoint">) => {
      const isGiven = program.getOptionValueSource("endpoint") === "cli";
      const endpoint = isGiven ? program.opts<{ endpoint: string }>().endpoint : undefined;
      register((context) => runDemo(context, { ...options, endpoint }));
    });
  program
    .command("doctor")
    .description("what this host can do, and why not")
    .action(() => register(runDoctor));
}
