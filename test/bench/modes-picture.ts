/**
 * The results of `modes` as a picture: for each thing measured a bar for each mode, on a scale on
 * which each step is a factor of ten, with a line where the bare host is.
 */
import type { BenchResult } from "./report.js";

const MODES = [
  { name: "container", colour: "#2f6f4f" },
  { name: "paravirt", colour: "#3b6ea8" },
  { name: "hybrid", colour: "#8a6bb0" },
  { name: "full", colour: "#b0603b" },
] as const;

const LATENCY = "net-latency";

/** Of the last one less is better: its bars show the inverse. */
const ROWS: readonly { readonly name: string; readonly label: string }[] = [
  { name: "cpu", label: "processor: registers" },
  { name: "cpu-memory", label: "processor: memory, calls" },
  { name: "disk-write", label: "disk: writing" },
  { name: "disk-read", label: "disk: reading" },
  { name: "disk-4k-random", label: "disk: random 4 KiB" },
  { name: "disk-4k-random-depth-8", label: "the same, eight at once" },
  { name: "net", label: "network: throughput" },
  { name: LATENCY, label: "network: quickness" },
];

const [LEFT, WIDTH, BAR, GAP] = [190, 430, 13, 18];
const [LOWEST, HIGHEST] = [0.01, 10];
const TOP = 48;
const ROW = MODES.length * (BAR + 2) + GAP;
const SIZE = { width: LEFT + WIDTH + 120, height: TOP + ROWS.length * ROW + 20 };

/** SVG. What was not measured is left out. */
export function modesPicture(results: readonly BenchResult[]): string {
  const title = "Work by mode, as a share of the bare host";
  const { width, height } = SIZE;
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" `;
  const view = `viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`;
  return [
    `${head}${view}<title>${title}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(10, 20, `${title} (red: 1); each grid line is a factor of ten; longer is better`),
    ...gridLines(),
    ...ROWS.flatMap((row, index) => rowOf(results, row, TOP + index * ROW)),
    "</svg>",
    "",
  ].join("\n");
}

function gridLines(): string[] {
  return [0.01, 0.1, 1, 10].map((share) => {
    const [x, end] = [placeOf(share), SIZE.height - 20];
    const colour = share === 1 ? "#c00" : "#ccc";
    return `<line x1="${x}" y1="${TOP - 14}" x2="${x}" y2="${end}" stroke="${colour}"/>`;
  });
}

function rowOf(
  results: readonly BenchResult[],
  { name, label }: (typeof ROWS)[number],
  top: number,
): string[] {
  const bars = MODES.flatMap((mode, index) => {
    const ratio = results.find((each) => each.name === `${name}:${mode.name}`)?.ratio;
    if (ratio === undefined || ratio <= 0) return [];
    const share = name === LATENCY ? 1 / ratio : ratio;
    const y = top + index * (BAR + 2);
    const width = Math.max(2, placeOf(share) - LEFT);
    const shown = share >= 0.1 ? share.toFixed(2) : share.toFixed(3);
    return [
      `<rect x="${LEFT}" y="${y}" width="${width}" height="${BAR}" fill="${mode.colour}"/>`,
      text(LEFT + width + 6, y + BAR - 3, `${mode.name} ${shown}`),
    ];
  });
  return [text(10, top + (MODES.length * (BAR + 2)) / 2 + 4, label), ...bars];
}

function placeOf(share: number): number {
  const within = Math.min(Math.max(share, LOWEST), HIGHEST);
  const part = Math.log10(within / LOWEST) / Math.log10(HIGHEST / LOWEST);
  return Math.round(LEFT + part * WIDTH);
}

function text(x: number, y: number, words: string): string {
  return `<text x="${x}" y="${y}" fill="#222">${words}</text>`;
}
