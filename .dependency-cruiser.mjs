/**
 * Who may import whom (ARCHITECTURE.md, "Import rules"), and no cycles. `test/tidy.test.ts` checks
 * the zones a second time.
 */

const CORE = "packages/core/src";
const CONTROLLER = "services/controller/src";
const AGENT = "services/node-agent/src";
/** Tests, contracts, what only tests of a service use, and programs that a test starts. */
const TESTS = "(\\.(test|contract)|-child)\\.ts$|^services/[^/]+/src/testing/";
const NPM_OR_NODE = ["npm", "npm-dev", "npm-optional", "npm-no-pkg", "npm-unknown", "core"];

/** Code below `from` may import, of our own files, only what matches `mayImport`. */
const zone = ({ name, comment, from, mayImport, exceptIn = [] }) => ({
  name,
  comment,
  severity: "error",
  from: { path: from, pathNot: [TESTS, ...exceptIn] },
  to: { path: "^(packages|services|proto|test)/", pathNot: mayImport },
});

/** Code below `from` may use no npm package and nothing of Node, apart from `apartFrom`. */
const noOutside = ({ name, comment, from, apartFrom = [] }) => ({
  name,
  comment,
  severity: "error",
  from: { path: from, pathNot: TESTS },
  to: { dependencyTypes: NPM_OR_NODE, pathNot: apartFrom },
});

const core = (...folders) => folders.map((each) => `^${CORE}/${each}/`);
const CORE_DECISIONS = core("domain", "ports", "scheduling", "reconcile", "transactions");
const CORE_MAIN = [...CORE_DECISIONS, `^${CORE}/index\\.ts$`];
const CORE_EDGES = [...CORE_MAIN, ...core("platform", "wire")];
const PROTO = "^proto/gen/";

const CORE_RULES = [
  zone({
    name: "domain-imports-nothing",
    comment: "The words of the cluster depend on nothing.",
    from: `^${CORE}/domain/`,
    mayImport: core("domain"),
  }),
  zone({
    name: "decisions-import-domain",
    comment: "Placement and reconciliation are pure functions over a snapshot.",
    from: `^${CORE}/(scheduling|reconcile)/`,
    mayImport: core("domain", "scheduling", "reconcile"),
  }),
  zone({
    name: "transactions-import-ports",
    comment: "The rules of a commit are written in the words of the store's port.",
    from: `^${CORE}/transactions/`,
    mayImport: core("domain", "ports", "transactions"),
  }),
  zone({
    name: "ports-import-domain",
    comment: "A port shows nothing of what stands behind it.",
    from: `^${CORE}/ports/`,
    mayImport: core("domain", "ports"),
  }),
  {
    name: "ports-are-types",
    comment: "A port is a contract without run-time code.",
    severity: "error",
    from: { path: `^${CORE}/ports/` },
    to: { dependencyTypesNot: ["type-only"] },
  },
  noOutside({
    name: "decisions-use-no-machine",
    comment: "Nothing that decides may use Node or an npm package.",
    from: `^${CORE}/(domain|ports|scheduling|reconcile|transactions)/`,
  }),
  zone({
    name: "platform-knows-no-protocol",
    comment: "Shared glue: domain, ports, and the two messages of google.rpc that carry errors.",
    from: `^${CORE}/platform/`,
    mayImport: [...core("domain", "ports", "platform"), "^proto/gen/google/rpc/"],
  }),
  zone({
    name: "wire-translates",
    comment: "Protocol messages become domain values here and nowhere else in core.",
    from: `^${CORE}/wire/`,
    mayImport: [...core("domain", "ports", "wire"), PROTO],
  }),
  zone({
    name: "testing-is-pure",
    comment: "Fakes and contracts hold without a service, a network or a disk.",
    from: `^${CORE}/testing/`,
    mayImport: [...CORE_DECISIONS, ...core("testing")],
  }),
  noOutside({
    name: "testing-uses-vitest",
    comment: "Contracts are written with vitest; fakes may hash and make buffers.",
    from: `^${CORE}/testing/`,
    apartFrom: ["node_modules/(vitest|fast-check)/", "^(node:)?crypto$", "^(node:)?buffer$"],
  }),
];

const CONTROLLER_RULES = [
  zone({
    name: "controller-decisions",
    comment: "What the controller decides knows no protocol, store or agent, only ports.",
    from: `^${CONTROLLER}/((commands|loops|mirror|sessions|events)/|(controller|leadership)\\.ts$)`,
    mayImport: [
      ...CORE_MAIN,
      `^${CONTROLLER}/((commands|loops|mirror|sessions|events)/|(controller|leadership)\\.ts$)`,
    ],
  }),
  noOutside({
    name: "controller-decisions-use-no-machine",
    comment: "So that a controller runs inside a test on virtual time.",
    from: `^${CONTROLLER}/((commands|loops|mirror|sessions|events)/|(controller|leadership)\\.ts$)`,
  }),
  zone({
    name: "controller-api",
    comment: "Requests are parsed and answered here; stores and agents stay out of sight.",
    from: `^${CONTROLLER}/api/`,
    mayImport: [
      ...CORE_EDGES,
      PROTO,
      `^${CONTROLLER}/((api|commands|mirror|sessions|events|peers)/|controller\\.ts$)`,
    ],
  }),
  zone({
    name: "controller-agents",
    comment: "Speaks to agents, decides nothing.",
    from: `^${CONTROLLER}/agents/`,
    mayImport: [...CORE_EDGES, PROTO, `^${CONTROLLER}/agents/`],
  }),
  zone({
    name: "controller-peers",
    comment: "Speaks to the other controllers and watches whether the leader lives.",
    from: `^${CONTROLLER}/peers/`,
    mayImport: [...CORE_EDGES, PROTO, `^${CONTROLLER}/((peers|mirror)/|controller\\.ts$)`],
  }),
  zone({
    name: "controller-store",
    comment: "Keeps records; knows neither the API nor the commands.",
    from: `^${CONTROLLER}/store/`,
    mayImport: [...CORE_MAIN, ...core("platform"), `^${CONTROLLER}/store/`],
  }),
];

const AGENT_RULES = [
  zone({
    name: "agent-decisions",
    comment: "What the agent decides knows no protocol and no engine, only ports.",
    from: `^${AGENT}/(runner/|agent\\.ts$)`,
    mayImport: [...CORE_MAIN, `^${AGENT}/(runner/|agent\\.ts$)`],
  }),
  noOutside({
    name: "agent-decisions-use-no-machine",
    comment: "So that agents run inside a test on virtual time.",
    from: `^${AGENT}/(runner/|agent\\.ts$)`,
  }),
  zone({
    name: "agent-api",
    comment: "The agent's two ends of the wire.",
    from: `^${AGENT}/api/`,
    mayImport: [...CORE_EDGES, PROTO, `^${AGENT}/(api/|agent\\.ts$)`],
  }),
  zone({
    name: "agent-engines",
    comment: "An engine knows its own folder, what all share beside it, the port; no other one.",
    from: `^${AGENT}/engines/([^/]+)/`,
    mayImport: [
      ...CORE_MAIN,
      ...core("platform"),
      `^${AGENT}/engines/$1/`,
      `^${AGENT}/engines/[^/]+\\.ts$`,
    ],
  }),
  zone({
    name: "agent-host-and-journal",
    comment: "Each knows its own folder and the ports.",
    from: `^${AGENT}/(host|journal)/`,
    mayImport: [...CORE_MAIN, ...core("platform"), `^${AGENT}/$1/`],
  }),
];

const GENERAL_RULES = [
  {
    name: "no-cycles",
    comment: "Two files that need each other are one thing, or one too many.",
    severity: "error",
    from: {},
    to: { circular: true },
  },
  {
    name: "everything-resolves",
    comment: "A file that is not there.",
    severity: "error",
    from: {},
    to: { couldNotResolve: true },
  },
  {
    name: "packages-are-declared",
    comment: "A workspace's own package.json names what it imports.",
    severity: "error",
    from: { path: "^(packages|services)/", pathNot: [TESTS, `^${CORE}/testing/`] },
    to: { dependencyTypes: ["npm-no-pkg", "npm-unknown", "npm-dev"] },
  },
  {
    name: "services-meet-in-the-protocol",
    comment: "Controller and agent know each other only by gRPC.",
    severity: "error",
    from: { path: "^services/([^/]+)/" },
    to: { path: "^services/", pathNot: "^services/$1/" },
  },
  {
    name: "services-through-their-door",
    comment: "From outside, a workspace is what its index exports.",
    severity: "error",
    from: { path: "^packages/", pathNot: TESTS },
    to: { path: "^services/", pathNot: "^services/[^/]+/src/index\\.ts$" },
  },
  {
    name: "core-is-the-centre",
    comment: "Core imports no other workspace but the protocol.",
    severity: "error",
    from: { path: "^packages/core/" },
    to: { path: "^(packages/(client|cli|dashboard)|services)/" },
  },
  {
    name: "client-knows-no-service",
    comment: "The client is what users install.",
    severity: "error",
    from: { path: "^packages/client/" },
    to: { path: "^(packages/cli|services)/" },
  },
  {
    name: "programs-are-not-imported",
    comment: "A main.ts starts when it is loaded.",
    severity: "error",
    from: {},
    to: { path: "/main\\.ts$" },
  },
  {
    name: "tests-are-not-imported",
    comment:
      "Shared parts of tests are in @innkeeper/core/testing or below test/, never in a test.",
    severity: "error",
    from: { pathNot: "^test/" },
    to: { path: "(^test/|\\.test\\.ts$)" },
  },
  {
    name: "testing-is-for-tests",
    comment: "Fakes never reach a program.",
    severity: "error",
    from: { path: "^(packages|services)/", pathNot: [TESTS, `^${CORE}/testing/`] },
    to: { path: `^${CORE}/testing/` },
  },
];

export default {
  forbidden: [...GENERAL_RULES, ...CORE_RULES, ...CONTROLLER_RULES, ...AGENT_RULES],
  options: {
    doNotFollow: { path: ["node_modules", "^proto/gen"] },
    exclude: { path: ["^proto/gen/index"] },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "types", "default"],
      extensions: [".ts", ".js", ".json"],
    },
  },
};
