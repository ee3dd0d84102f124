/** Disruption budgets as people write them: `1 of app=web`. */
import { invalidField } from "../domain/errors.js";
import type { DisruptionBudget } from "../domain/guest.js";
import { parseLabels } from "../domain/names.js";

const DOWN_MAX = 1000;
const BUDGET = /^(\d{1,4}) of ([^\s=]+)=(\S*)$/;

/** @throws `invalid`. */
export function parseDisruptionBudget(field: string, text: string): DisruptionBudget {
  const [, count = "", key = "", value = ""] = BUDGET.exec(text) ?? [];
  const downMax = Number(count);
  if (key === "" || downMax > DOWN_MAX) {
    throw invalidField(field, text, `N of KEY=VALUE with N from 0 to ${DOWN_MAX}`);
  }
  parseLabels(field, { [key]: value });
  return { guestLabel: { key, value }, downMax };
}

export function budgetText(budget: DisruptionBudget | undefined): string {
  if (budget === undefined) return "";
  const { guestLabel, downMax } = budget;
  return `${downMax} of ${guestLabel.key}=${guestLabel.value}`;
}
