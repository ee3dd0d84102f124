/** The labels of this node, as its settings state them. */
import { type Labels, parseLabels } from "@innkeeper/core";

/** `KEY=VALUE` or `KEY`, with commas. @throws `invalid` when one is malformed. */
export function parseNodeLabels(text: string): Labels {
  const pairs = text.split(",").filter((pair) => pair !== "");
  const entries = pairs.map((pair) => {
    const [key = "", value = ""] = pair.split("=");
    return [key, value] as const;
  });
  return parseLabels("INN_NODE_LABELS", Object.fromEntries(entries));
}
