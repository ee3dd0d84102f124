/** Commands for guests and what comes of them, on both wires. */
import type { GuestCommand, GuestCommandOutput } from "@innkeeper/proto/innkeeper/v1/exec";
import { invalidField } from "../domain/errors.js";
import type { ExecOutput, ExecRequest } from "../domain/exec.js";
import { durationOf, parseDurationMs, parseInteger } from "./numbers.js";

const WORDS_MAX = 64;
const WORDS_BYTES_MAX = 64 * 1024;
const INPUT_BYTES_MAX = 64 * 1024;
const TIMEOUT = { min: 1, max: 3_600_000, unset: 60_000 };
const CODE = { min: 0, max: 0x7fffffff };

/** @throws `invalid` for a malformed field. */
export function parseCommand(field: string, proto: GuestCommand | undefined): ExecRequest {
  if (proto === undefined) throw invalidField(field, "unset", "a command");
  const { words, input, timeout } = proto;
  if (words.length < 1 || words.length > WORDS_MAX || words[0] === "") {
    throw invalidField(
      `${field}.words`,
      words.join(" "),
      `1 to ${WORDS_MAX} words, a program first`,
    );
  }
  const bytes = new TextEncoder().encode(words.join(" ")).length;
  if (bytes > WORDS_BYTES_MAX) {
    throw invalidField(`${field}.words`, `${bytes} bytes`, `at most ${WORDS_BYTES_MAX} bytes`);
  }
  const odd = words.find((word) => word.includes("\0"));
  if (odd !== undefined) throw invalidField(`${field}.words`, odd, "words without NUL");
  if (input.length > INPUT_BYTES_MAX) {
    throw invalidField(
      `${field}.input`,
      `${input.length} bytes`,
      `at most ${INPUT_BYTES_MAX} bytes`,
    );
  }
  return { words, input, timeoutMs: parseDurationMs(`${field}.timeout`, timeout, TIMEOUT) };
}

export function commandToProto({ words, input, timeoutMs }: ExecRequest): GuestCommand {
  return { words: [...words], input: bufferOf(input), timeout: durationOf(timeoutMs) };
}

export function execOutputToProto(output: ExecOutput): GuestCommandOutput {
  if (output.kind === "exit") {
    const { code, isCut } = output;
    return { output: { $case: "exit", value: { code, cut: isCut } } };
  }
  return { output: { $case: output.kind, value: bufferOf(output.bytes) } };
}

/** Undefined for a kind of output that this version does not know. */
export function parseExecOutput(proto: GuestCommandOutput | undefined): ExecOutput | undefined {
  const output = proto?.output;
  if (output === undefined) return undefined;
  if (output.$case !== "exit") return { kind: output.$case, bytes: output.value };
  const { code, cut } = output.value;
  return { kind: "exit", code: parseInteger("exit.code", code, CODE), isCut: cut };
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
