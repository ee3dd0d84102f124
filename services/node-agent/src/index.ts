/** The node agent, for those who run it inside another process: `inn up`, the simulator, tests. */
export { type Agent, type AgentConfig, type AgentPorts, createAgent } from "./agent.js";
export { AGENT_SETTINGS, type AgentSettings, loadAgentSettings } from "./config.js";
export { createContainerEngine } from "./engines/container/container-engine.js";
export { createQemuEngine } from "./engines/qemu/qemu-engine.js";
export { type AgentParts, type RunningAgentProcess, startAgent } from "./start-agent.js";
