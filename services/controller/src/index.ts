/** The controller, for those who run it inside another process: `inn up`, the simulator, tests. */
export { CONTROLLER_SETTINGS, type ControllerSettings, loadControllerSettings } from "./config.js";
export {
  type Controller,
  type ControllerConfig,
  type ControllerPorts,
  createController,
} from "./controller.js";
export { type RunningControllerProcess, startController } from "./start-controller.js";
