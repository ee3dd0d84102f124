/**
 * Between the wire and the domain: codecs that validate ("parse, do not validate later"). Used by
 * both services.
 */
export * from "./assignment-codec.js";
export * from "./console-codec.js";
export * from "./disks-codec.js";
export * from "./disruption-budget-text.js";
export * from "./enums.js";
export * from "./exec-codec.js";
export * from "./image-codec.js";
export * from "./limits-codec.js";
export * from "./migration-codec.js";
export * from "./network-codec.js";
export * from "./node-codec.js";
export * from "./numbers.js";
export * from "./placement-rules-text.js";
export * from "./report-codec.js";
export * from "./seed-codec.js";
export * from "./snapshot-codec.js";
