import { expect, it } from "vitest";
import { ESCAPE_KEY, typed } from "./console-keys.js";

const plain = ({ bytes, echo, isLeaving }: ReturnType<typeof typed>) => [
  Buffer.from(bytes).toString("latin1"),
  echo,
  isLeaving,
];

it("passes keys on as they are to a guest with a terminal", () => {
  expect(plain(typed(Buffer.from("ls\r\x03"), true))).toEqual(["ls\r\x03", "", false]);
});

it("ends lines and shows them where the guest has none", () => {
  expect(plain(typed(Buffer.from("ls\r"), false))).toEqual(["ls\n", "ls\n", false]);
});

it.each([true, false])("leaves at the escape key, without what comes after it", (hasTerminal) => {
  const pressed = Buffer.of(0x61, ESCAPE_KEY, 0x62);
  const [bytes, , isLeaving] = plain(typed(pressed, hasTerminal));
  expect([bytes, isLeaving]).toEqual(["a", true]);
});
