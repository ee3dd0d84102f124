/**
 * Settings: one documented table for each service, read from the environment and, below it, from a
 * file; all problems are reported at once. A table is the only place where a default stands; only
 * `main.ts` files hand the environment in.
 */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { assertNever } from "../domain/assert.js";
import { DomainError, invalidField } from "../domain/errors.js";

interface SettingBase<T> {
  /** Environment variable. */
  readonly env: string;
  /** One sentence for the documentation: unit, what it does. */
  readonly doc: string;
  readonly default: T;
}

export interface TextSetting extends SettingBase<string> {
  readonly type: "text";
  readonly pattern?: RegExp;
  readonly allowed: string;
}

export interface IntegerSetting extends SettingBase<number> {
  readonly type: "integer";
  readonly min: number;
  readonly max: number;
}

export interface ChoiceSetting extends SettingBase<string> {
  readonly type: "choice";
  readonly choices: readonly string[];
}

/** What is given is the path of a file; the setting is its content, without the last line's end. */
export interface SecretSetting extends SettingBase<string> {
  readonly type: "secret";
}

export type Setting = TextSetting | IntegerSetting | ChoiceSetting | SecretSetting;
export type SettingTable = Readonly<Record<string, Setting>>;

export type Settings<Table extends SettingTable> = {
  readonly [Key in keyof Table]: Table[Key] extends IntegerSetting
    ? number
    : Table[Key] extends { readonly choices: readonly (infer Choice)[] }
      ? Choice
      : string;
};

/** The part of the settings that comes from a file, by the keys of the table. */
export type SettingsFile = Readonly<Record<string, unknown>>;

/**
 * @param file what is not in the environment is looked for here
 * @throws `invalid` listing every problem: variable or key, value, what is allowed.
 */
export function loadSettings<Table extends SettingTable>(
  table: Table,
  env: Readonly<Record<string, string | undefined>>,
  file: SettingsFile = {},
): Settings<Table> {
  const problems = Object.keys(file)
    .filter((key) => !(key in table))
    .map((key) => `${key}: no such setting; allowed: ${Object.keys(table).join(", ")}`);
  const entries = Object.entries(table).map(([key, setting]) => {
    const given = givenValue(setting, { env, inFile: file[key], key });
    if (given === undefined) return [key, setting.default];
    const value = read(setting, given.text);
    if (value === undefined) {
      problems.push(`${given.name}=${JSON.stringify(given.text)}: ${allowed(setting)}`);
    }
    return [key, value];
  });
  if (problems.length > 0) throw badSettings(problems);
  return Object.fromEntries(entries) as Settings<Table>;
}

/** The text to read and what to call it in a message; the environment wins. */
function givenValue(
  setting: Setting,
  sources: {
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly inFile: unknown;
    readonly key: string;
  },
): { readonly name: string; readonly text: string } | undefined {
  const inEnv = sources.env[setting.env] ?? "";
  if (inEnv !== "") return { name: setting.env, text: inEnv };
  const { inFile, key } = sources;
  if (inFile === undefined || inFile === null || inFile === "") return undefined;
  return { name: key, text: typeof inFile === "string" ? inFile : JSON.stringify(inFile) };
}

function read(setting: Setting, given: string): string | number | undefined {
  switch (setting.type) {
    case "integer":
      return readInteger(setting, given);
    case "choice":
      return setting.choices.find((each) => each === given);
    case "secret":
      return readSecret(given);
    case "text":
      return setting.pattern === undefined || setting.pattern.test(given) ? given : undefined;
    default:
      return assertNever(setting, "setting");
  }
}

function readSecret(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trimEnd();
  } catch {
    return undefined;
  }
}

function readInteger({ min, max }: IntegerSetting, given: string): number | undefined {
  const value = Number(given);
  return /^-?[0-9]{1,16}$/.test(given) && value >= min && value <= max ? value : undefined;
}

function allowed(setting: Setting): string {
  if (setting.type === "secret") return "allowed: the path of a readable file";
  if (setting.type === "choice") return `allowed: ${setting.choices.join(", ")}`;
  return setting.type === "integer"
    ? `allowed: an integer from ${setting.min} to ${setting.max}`
    : `allowed: ${setting.allowed}`;
}

function badSettings(problems: readonly string[]): DomainError {
  return new DomainError({
    kind: "invalid",
    reason: "BAD_SETTINGS",
    message: `${problems.length} bad settings:\n  ${problems.join("\n  ")}`,
    metadata: { problems: problems.join("; ") },
  });
}

/** YAML (or JSON): one key for each setting. @throws `invalid` when it cannot be read as that. */
export function readSettingsFile(file: string): SettingsFile {
  const what = "a readable YAML file of settings, one key a line";
  try {
    const parsed: unknown = parse(readFileSync(file, "utf8"));
    if (parsed === null) return {};
    if (typeof parsed === "object" && !Array.isArray(parsed)) return parsed as SettingsFile;
  } catch (error) {
    const why = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw invalidField("INN_CONFIG", file, `${what} (${why ?? ""})`);
  }
  throw invalidField("INN_CONFIG", file, what);
}

/** The table for people: variable, key, default, what it is. */
export function describeSettings(table: SettingTable): string {
  const rows = Object.entries(table).map(([key, setting]) => {
    const range = setting.type === "integer" ? ` (${setting.min} to ${setting.max})` : "";
    const choices = setting.type === "choice" ? ` (${setting.choices.join(", ")})` : "";
    const byDefault = setting.default === "" ? "empty" : String(setting.default);
    return `${setting.env}, ${key}: ${byDefault}\n    ${setting.doc}${range}${choices}`;
  });
  return rows.join("\n");
}
