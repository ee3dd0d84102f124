/** The machine behind the ports that every process needs: time, identity, log, blobs. */

export {
  type ChoiceSetting,
  describeSettings,
  type IntegerSetting,
  loadSettings,
  readSettingsFile,
  type SecretSetting,
  type Setting,
  type Settings,
  type SettingsFile,
  type SettingTable,
  type TextSetting,
} from "./config.js";
export { createFileBlobStore, type FileBlobStoreOptions } from "./file-blob-store.js";
export { GroupCommit, type GroupCommitOptions } from "./group-commit.js";
export { callBoth } from "./grpc/call-both.js";
export { CLIENT_OPTIONS, callStream, callUnary } from "./grpc/calls.js";
export { bothStreams, clientStream, serverStream, unary } from "./grpc/handlers.js";
export { createServer, listen, MESSAGE_BYTES_MAX, shutDown } from "./grpc/server.js";
export { fromServiceError, toServiceError } from "./grpc/status.js";
export { decoded, tolerant, UndecodableRequest } from "./grpc/tolerant.js";
export { NATS_SETTINGS } from "./nats-settings.js";
export { createLogger, LOG_LEVELS, type LoggerOptions, type LogLevel } from "./pino-logger.js";
export { randomIdSource } from "./random-id-source.js";
export {
  type Service,
  type ServiceProcess,
  type StartedService,
  serviceMain,
} from "./service-main.js";
export { systemClock } from "./system-clock.js";
