/**
 * Settings from the environment: one documented table for each service, all problems reported at
 * once. A table is the only place where a default stands; only `main.ts` files hand the environment
 * in.
 */
import { DomainError } from "../domain/errors.js";

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

export type Setting = TextSetting | IntegerSetting | ChoiceSetting;
export type SettingTable = Readonly<Record<string, Setting>>;

export type Settings<Table extends SettingTable> = {
  readonly [Key in keyof Table]: Table[Key] extends IntegerSetting
    ? number
    : Table[Key] extends { readonly choices: readonly (infer Choice)[] }
      ? Choice
      : string;
};

/** @throws `invalid` listing every problem: variable, value, what is allowed. */
export function loadSettings<Table extends SettingTable>(
  table: Table,
  env: Readonly<Record<string, string | undefined>>,
): Settings<Table> {
  const problems: string[] = [];
  const entries = Object.entries(table).map(([key, setting]) => {
    const given = env[setting.env];
    if (given === undefined || given === "") return [key, setting.default];
    const value = read(setting, given);
    if (value === undefined)
      problems.push(`${setting.env}=${JSON.stringify(given)}: ${allowed(setting)}`);
    return [key, value];
  });
  if (problems.length > 0) throw badSettings(problems);
  return Object.fromEntries(entries) as Settings<Table>;
}

function read(setting: Setting, given: string): string | number | undefined {
  if (setting.type === "integer") return readInteger(setting, given);
  if (setting.type === "choice") return setting.choices.find((each) => each === given);
  return setting.pattern === undefined || setting.pattern.test(given) ? given : undefined;
}

function readInteger({ min, max }: IntegerSetting, given: string): number | undefined {
  const value = Number(given);
  return /^-?[0-9]{1,16}$/.test(given) && value >= min && value <= max ? value : undefined;
}

function allowed(setting: Setting): string {
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
