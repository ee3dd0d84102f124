/** The typed client of Innkeeper. */
export { attachConsole } from "./attach-console.js";
export {
  createClient,
  type InnkeeperClient,
  type ServiceClient,
  TIMEOUT_MS_DEFAULT,
} from "./client.js";
export { type ImageSource, importImage, readImageSource } from "./import-image.js";
