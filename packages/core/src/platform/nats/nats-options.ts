/** Where a server is, who we are, and what we trust: in the words of the NATS client. */
import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import { type ConnectionOptions, nkeyAuthenticator, nkeys } from "@nats-io/transport-node";
import { invalidField } from "../../domain/errors.js";

export type NatsCredentials =
  | { readonly user: string; readonly password: string }
  /** The text of a seed file, `SU...`. */
  | { readonly nkeySeed: string };

/** PEM texts. */
export interface NatsTls {
  /** Who must have signed the server's certificate; undefined = the system's authorities. */
  readonly ca: string | undefined;
  /** Ours, where the server asks for one. */
  readonly identity: { readonly cert: string; readonly key: string } | undefined;
}

export interface NatsOptions {
  /** host:port each, or tls://host:port. */
  readonly servers: readonly string[];
  /** Shown by the server's monitoring. */
  readonly name: string;
  readonly credentials: NatsCredentials | undefined;
  /** Undefined = as the server wants it; otherwise never without TLS. */
  readonly tls: NatsTls | undefined;
  readonly connectTimeoutMs: number;
  readonly reconnectMs: number;
  readonly pingMs: number;
}

const PINGS_MISSED_MAX = 2;

export function connectionOptions(options: NatsOptions): ConnectionOptions {
  const { credentials, tls } = options;
  return {
    servers: [...options.servers],
    name: options.name,
    timeout: options.connectTimeoutMs,
    maxReconnectAttempts: -1,
    reconnectTimeWait: options.reconnectMs,
    pingInterval: options.pingMs,
    maxPingOut: PINGS_MISSED_MAX,
    ignoreAuthErrorAbort: true,
    ...(credentials && authentication(credentials)),
    ...(tls && { tls: tlsOptions(tls, options.servers) }),
  };
}

function tlsOptions({ ca, identity }: NatsTls, servers: readonly string[]) {
  const checkServerIdentity = checkIdentity(servers);
  return { checkServerIdentity, ...(ca !== undefined && { ca }), ...identity };
}

/**
 * For an address that is no name, the NATS client would compare the certificate with "localhost".
 */
function checkIdentity(servers: readonly string[]) {
  const hosts = servers.map(hostOf);
  return (name: string, certificate: PeerCertificate): Error | undefined => {
    const wanted = hosts.includes(name) ? [name] : hosts.filter((host) => isIP(host) !== 0);
    const problems = wanted.map((host) => checkServerIdentity(host, certificate));
    const isWanted = problems.includes(undefined);
    return isWanted ? undefined : (problems[0] ?? checkServerIdentity(name, certificate));
  };
}

function hostOf(server: string): string {
  const { hostname } = new URL(`nats://${server.replace(/^[a-z]+:\/\//, "")}`);
  return hostname.replace(/^\[|\]$/g, "");
}

function authentication(credentials: NatsCredentials): ConnectionOptions {
  if ("user" in credentials) return { user: credentials.user, pass: credentials.password };
  return { authenticator: nkeyAuthenticator(seedBytes(credentials.nkeySeed)) };
}

function seedBytes(nkeySeed: string): Uint8Array {
  return new TextEncoder().encode(nkeySeed.trim());
}

/** Says nothing of the seed itself: it is a secret. */
export function checkSeed(credentials: NatsCredentials | undefined): void {
  if (credentials === undefined || "user" in credentials) return;
  try {
    nkeys.fromSeed(seedBytes(credentials.nkeySeed)).clear();
  } catch {
    throw invalidField("nkey seed", "what was given", "the seed of an nkey of a user, SU...");
  }
}
