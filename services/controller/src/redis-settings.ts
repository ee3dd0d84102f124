/** How to reach Redis; part of the controller's settings. */

export const REDIS_SETTINGS = {
  redisUrl: {
    type: "text",
    env: "INN_REDIS_URL",
    default: "redis://127.0.0.1:6379",
    pattern: /^rediss?:\/\/[^\s]+$/,
    allowed: "redis://host:port/database or rediss://... for TLS",
    doc: "Redis, when the store is redis and no sentinels are given.",
  },
  redisSentinels: {
    type: "text",
    env: "INN_REDIS_SENTINELS",
    default: "",
    pattern: /^[^\s,/]+:[0-9]{1,5}(,[^\s,/]+:[0-9]{1,5})*$/,
    allowed: "host:port, several with commas",
    doc: "Sentinels that know which Redis is the master; empty = none.",
  },
  redisMasterName: {
    type: "text",
    env: "INN_REDIS_MASTER_NAME",
    default: "innkeeper",
    allowed: "a name",
    doc: "What the sentinels call the master.",
  },
  redisUsername: {
    type: "text",
    env: "INN_REDIS_USERNAME",
    default: "",
    allowed: "a name",
    doc: "ACL user; empty = the default user.",
  },
  redisPassword: {
    type: "secret",
    env: "INN_REDIS_PASSWORD_FILE",
    default: "",
    doc: "File that holds the password; empty = none.",
  },
  redisTlsCa: {
    type: "secret",
    env: "INN_REDIS_TLS_CA_FILE",
    default: "",
    doc: "File with the certificate authority (PEM) for rediss://; empty = the system's.",
  },
  redisTlsCert: {
    type: "secret",
    env: "INN_REDIS_TLS_CERT_FILE",
    default: "",
    doc: "File with our certificate (PEM), where Redis asks for one; empty = none.",
  },
  redisTlsKey: {
    type: "secret",
    env: "INN_REDIS_TLS_KEY_FILE",
    default: "",
    doc: "File with the key of our certificate (PEM); empty = none.",
  },
  redisMinReplicas: {
    type: "integer",
    env: "INN_REDIS_MIN_REPLICAS",
    default: 0,
    min: 0,
    max: 16,
    doc: "Replicas that must have a commit before it is acknowledged (WAIT).",
  },
  redisReplicaTimeoutMs: {
    type: "integer",
    env: "INN_REDIS_REPLICA_TIMEOUT_MS",
    default: 1_000,
    min: 10,
    max: 60_000,
    doc: "How long to wait for those replicas, in milliseconds.",
  },
} as const;
