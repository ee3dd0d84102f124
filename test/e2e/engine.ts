/** The Docker engine that scripts/e2e-setup.mjs found or started, or why there is none. */
import { inject, type TestContext } from "vitest";

export interface Engine {
  readonly isComposePlugin: boolean;
  /** Variables of docker-compose.yml that name the images. */
  readonly environment: Readonly<Record<string, string>>;
}

declare module "vitest" {
  interface ProvidedContext {
    readonly engine: Engine | { readonly reason: string };
  }
}

const given = inject("engine");

/** Undefined when there is none: every test then skips itself with the reason. */
export const engine = "reason" in given ? undefined : given;

export function skipWithoutEngine(context: TestContext): void {
  if ("reason" in given) context.skip(given.reason);
}
