/** All static checks: format, lint, types, import zones, protocol. */
import { runChecks } from "./checks.mjs";

const { failed } = await runChecks();
process.exitCode = failed === 0 ? 0 : 1;
