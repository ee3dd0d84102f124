/**
 * The OCI runtimes that are known, in order of preference; which of them works on a host is proved
 * by running a container.
 */
export const RUNTIMES = ["runc", "crun"] as const;
export type Runtime = (typeof RUNTIMES)[number];
