/**
 * The host's user and group ids that stand for 0 to 65535 inside guests. Nobody on the host has
 * them: above the ranges that distributions give to users and to systemd's containers.
 */
export const GUEST_IDS = { first: 2_000_000_000, count: 65_536 } as const;
