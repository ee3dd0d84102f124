/**
 * The life of a service process: settings, `--check`, start, one line of JSON on standard output
 * that says where it listens, graceful stop at SIGTERM or SIGINT.
 */
import { type DomainError, invalidField } from "../domain/errors.js";
import type { Logger } from "../ports/logger.js";
import { describeSettings, type SettingTable } from "./config.js";
import { createLogger, type LogLevel } from "./pino-logger.js";

export interface Service<Loaded extends { readonly logLevel: LogLevel }> {
  readonly name: string;
  readonly table: SettingTable;
  load(env: Readonly<Record<string, string | undefined>>): Loaded;
  /**
   * For `--check`: one line for each thing that was tried. @throws what would keep it from working.
   */
  check(settings: Loaded): Promise<readonly string[]>;
  start(settings: Loaded, log: Logger): Promise<StartedService>;
}

export interface StartedService {
  /** Printed as one line of JSON. */
  readonly hello: Readonly<Record<string, unknown>>;
  stop(): Promise<void>;
}

/** What a service needs of its process; only `main.ts` hands it in. */
export interface ServiceProcess {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly argv: readonly string[];
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  once(event: "SIGTERM" | "SIGINT", listener: () => void): unknown;
  exit(code: number): void;
}

/** Exit code 0 = done, 1 = it does not work, with the reason on standard error. */
export async function serviceMain<Loaded extends { readonly logLevel: LogLevel }>(
  service: Service<Loaded>,
  host: ServiceProcess,
): Promise<void> {
  try {
    await run(service, host);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    host.stderr.write(`${service.name}: ${message}\n`);
    host.exit(1);
  }
}

async function run<Loaded extends { readonly logLevel: LogLevel }>(
  service: Service<Loaded>,
  host: ServiceProcess,
): Promise<void> {
  const [option] = host.argv.slice(2);
  if (option === "--help") {
    host.stdout.write(`${usage(service.name)}\n\n${describeSettings(service.table)}\n`);
    return;
  }
  if (option !== undefined && option !== "--check") throw unknownOption(option);
  const settings = service.load(host.env);
  if (option === "--check") {
    for (const line of await service.check(settings)) host.stdout.write(`${line}\n`);
    host.stdout.write("settings are valid\n");
    return;
  }
  const log = createLogger({ level: settings.logLevel, destination: host.stderr });
  const started = await service.start(settings, log);
  host.stdout.write(`${JSON.stringify(started.hello)}\n`);
  stopAtSignals(host, started, log);
}

function stopAtSignals(host: ServiceProcess, started: StartedService, log: Logger): void {
  const stop = (): void => {
    started.stop().then(
      () => host.exit(0),
      (error: unknown) => {
        log.error({ error }, "the shutdown failed");
        host.exit(1);
      },
    );
  };
  host.once("SIGTERM", stop);
  host.once("SIGINT", stop);
}

function usage(name: string): string {
  return [
    `usage: ${name} [--check | --help]`,
    "",
    "Settings come from the environment and from the file in INN_CONFIG:",
  ].join("\n");
}

function unknownOption(option: string): DomainError {
  return invalidField("option", option, "--check, --help");
}
