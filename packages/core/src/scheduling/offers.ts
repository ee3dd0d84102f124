/**
 * What a node offers one guest: its abilities, with the start time of the template where it has one
 * of just the machine that the guest asks for.
 */
import type { Mode, ModeAbility } from "../domain/mode.js";
import type { NodeRecord } from "../domain/node.js";
import { isTemplateOf, type TemplateMachine } from "../domain/template.js";

/** `startMs` is then the template's. */
export type OfferedAbility = ModeAbility & { readonly isFromTemplate?: true };

export function offered(
  { abilities, templates = [] }: Pick<NodeRecord, "abilities" | "templates">,
  machine: TemplateMachine | undefined,
): readonly OfferedAbility[] {
  if (machine === undefined || templates.length === 0) return abilities;
  return abilities.map((ability) => {
    const found = templates.find(
      ({ engine, mode, ...template }) =>
        engine === ability.engine && mode === ability.mode && isTemplateOf(template, machine),
    );
    return found === undefined
      ? ability
      : { ...ability, startMs: found.startMs, isFromTemplate: true };
  });
}

/**
 * Preference of modes when the user leaves the choice to the scheduler: the least emulation wins.
 */
export const MODE_PREFERENCE: Readonly<Record<Mode, number>> = {
  paravirt: 1,
  hybrid: 0.75,
  container: 0.5,
  full: 0.25,
};

/** Outweighs every difference of fit: who asks for a quick start goes where it is quick. */
const TEMPLATE_PREFERENCE = 5;

export function preferenceOf({ mode, isFromTemplate }: OfferedAbility): number {
  return MODE_PREFERENCE[mode] + (isFromTemplate === true ? TEMPLATE_PREFERENCE : 0);
}
