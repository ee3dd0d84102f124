/** How a command says what it will do, once the options that all share are read. */
import type { CliContext } from "../cli-context.js";

type Run = (context: CliContext) => Promise<void>;
export type Register = (run: Run) => void;
