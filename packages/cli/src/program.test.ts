import { type Command, CommanderError } from "commander";
import { describe, expect, it } from "vitest";
import { buildProgram } from "./program.js";

describe("the command tree", () => {
  it.each([
    "guest ls",
    "guest get g1",
    "guest stop g1",
    "guest migrate g1",
    "guest resize g1 --cpu 500m",
    "top --once",
    "node ls",
    "node cordon n1",
    "project ls",
    "image ls",
    "op ls",
  ])("knows `inn %s`, and runs one thing", async (line) => {
    expect(await run(line.split(" "))).toBe(1);
  });

  it.each(["", "guest", "guest fly g1", "guest get", "--output xml guest ls", "guest ls --odd"])(
    "refuses `inn %s` as bad usage",
    async (line) => {
      await expect(run(line.split(" ").filter(Boolean))).rejects.toThrow(CommanderError);
    },
  );

  it("takes endpoint and project from the environment, and options before it", () => {
    const env = { INN_ENDPOINT: "host:1", INN_PROJECT: "acme" };
    expect(optionsOf([], env)).toMatchObject({ endpoint: "host:1", project: "acme", wait: true });
    const given = ["--endpoint", "other:2", "--no-wait", "-o", "json"];
    expect(optionsOf(given, env)).toMatchObject({
      endpoint: "other:2",
      project: "acme",
      wait: false,
      output: "json",
    });
    expect(optionsOf([], {})).toMatchObject({ endpoint: "127.0.0.1:7400", output: "table" });
  });
});

async function run(args: readonly string[]): Promise<number> {
  let count = 0;
  const chosen = (): void => {
    count += 1;
  };
  const program = buildProgram({}, { remote: chosen, local: chosen });
  silence(program);
  await program.parseAsync(["node", "inn", ...args]);
  return count;
}

function optionsOf(args: readonly string[], env: Record<string, string>): unknown {
  const nothing = (): void => undefined;
  const program = buildProgram(env, { remote: nothing, local: nothing });
  program.parseOptions([...args]);
  return program.opts();
}

function silence(program: Command): void {
  program.configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
  for (const command of program.commands) silence(command);
}
