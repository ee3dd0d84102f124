/**
 * How to reach NATS; part of the settings of both services. Everything works, slower, without it.
 */

export const NATS_SETTINGS = {
  natsServers: {
    type: "text",
    env: "INN_NATS_SERVERS",
    default: "",
    pattern: /^[^\s,]+(,[^\s,]+)*$/,
    allowed: "host:port or tls://host:port, several with commas",
    doc: "NATS servers; empty = none: reports go by gRPC, events come from the store.",
  },
  natsUser: {
    type: "text",
    env: "INN_NATS_USER",
    default: "",
    allowed: "a name",
    doc: "NATS user; empty = none.",
  },
  natsPassword: {
    type: "secret",
    env: "INN_NATS_PASSWORD_FILE",
    default: "",
    doc: "File that holds the NATS user's password; empty = none.",
  },
  natsNkeySeed: {
    type: "secret",
    env: "INN_NATS_NKEY_FILE",
    default: "",
    doc: "File that holds an nkey seed; empty = none.",
  },
  natsTlsCa: {
    type: "secret",
    env: "INN_NATS_TLS_CA_FILE",
    default: "",
    doc: "File with the certificate authority (PEM) of NATS; empty = the system's.",
  },
  natsTlsCert: {
    type: "secret",
    env: "INN_NATS_TLS_CERT_FILE",
    default: "",
    doc: "File with our certificate (PEM) for NATS; empty = none.",
  },
  natsTlsKey: {
    type: "secret",
    env: "INN_NATS_TLS_KEY_FILE",
    default: "",
    doc: "File with the key of that certificate (PEM); empty = none.",
  },
  eventsKeptDays: {
    type: "integer",
    env: "INN_EVENTS_KEPT_DAYS",
    default: 7,
    min: 1,
    max: 3_650,
    doc: "How long events are kept in NATS, in days.",
  },
} as const;
