/** Bars, lines and areas as a drawing, and the same numbers as a table for who can't see it. */

import type { WidgetNode } from "@docs-chatkit/core";

import { type Props, useWidget } from "./context.js";
import * as values from "./values.js";

const WIDTH = 400;
const HEIGHT = 220;
const MARGIN = { top: 10, right: 8, bottom: 24, left: 40 };
const MAX_ROWS = 500;
const COLORS = ["blue", "orange", "green", "purple", "red", "pink", "yellow"] as const;

interface Series {
  type: "bar" | "line" | "area";
  label: string;
  color: string;
  stack: string;
  curve: string;
  /** From where to where each row's value goes; the beginning is another's end in a stack. */
  spans: (readonly [from: number, to: number])[];
}

interface Axis {
  key: string;
  hidden: boolean;
  labels: Props;
}

export function Chart({ node }: { node: WidgetNode }) {
  const { scheme } = useWidget();
  const rows = list(node["data"]).slice(0, MAX_ROWS);
  const axis = readAxis(node["xAxis"]);
  const series = readSeries(list(node["series"]), rows, scheme);
  const names = rows.map((row) => {
    const name = values.text(row[axis.key]);
    return values.text(axis.labels[name]) || name;
  });
  if (rows.length === 0 || series.length === 0) return null;
  return (
    <figure class="w-chart" style={values.block(node)}>
      <Drawing node={node} names={names} series={series} axis={axis} />
      {node["showLegend"] === true && (
        <ul class="w-legend" aria-hidden="true">
          {series.map(({ label, color }, i) => (
            <li key={i}>
              <i style={{ backgroundColor: color }} />
              {label}
            </li>
          ))}
        </ul>
      )}
      <table class="sr">
        <thead>
          <tr>
            <td />
            {series.map(({ label }, i) => (
              <th key={i} scope="col">
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {names.map((name, i) => (
            <tr key={i}>
              <th scope="row">{name}</th>
              {series.map(({ spans }, j) => (
                <td key={j}>{valueAt(spans, i)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  );
}

interface DrawingProps {
  node: WidgetNode;
  names: readonly string[];
  series: readonly Series[];
  axis: Axis;
}

function Drawing({ node, names, series, axis }: DrawingProps) {
  const ends = series.flatMap(({ spans }) => spans.flat());
  const ticks = niceTicks(Math.min(0, ...ends), Math.max(0, ...ends));
  const [low = 0, high = 1] = [ticks[0], ticks.at(-1)];
  const showY = node["showYAxis"] === true;
  const left = showY ? MARGIN.left : 8;
  const bottom = HEIGHT - (axis.hidden ? 8 : MARGIN.bottom);
  const step = (WIDTH - MARGIN.right - left) / names.length;
  const x = (at: number) => left + step * (at + 0.5);
  const y = (value: number) => bottom - ((value - low) / (high - low || 1)) * (bottom - MARGIN.top);
  // Names that would run into each other are left out evenly.
  const longest = Math.max(...names.map((name) => name.length));
  const every = Math.max(1, Math.ceil((longest * 6 + 8) / step));
  const bars = barPlaces(series, node, step);
  const tip = (at: number, { label, spans }: Series) =>
    node["showTooltip"] !== false && (
      <title>{`${names[at]}, ${label}: ${valueAt(spans, at)}`}</title>
    );
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      {ticks.map((tick) => (
        <g key={tick}>
          <path class="grid" d={`M${left} ${y(tick)}H${WIDTH - MARGIN.right}`} />
          {showY && (
            <text class="y" x={left - 6} y={y(tick)}>
              {shortNumber(tick)}
            </text>
          )}
        </g>
      ))}
      {/* As the colour, which they are filled with: a fill itself could be a file from elsewhere. */}
      {series.map((one, i) => {
        if (one.type === "bar") {
          const { offset, width } = bars[i] ?? { offset: 0, width: 0 };
          return one.spans.map(([from, to], at) => (
            <rect
              key={`${i}-${at}`}
              x={x(at) + offset}
              y={Math.min(y(from), y(to))}
              width={width}
              height={Math.abs(y(from) - y(to))}
              rx={Math.min(3, width / 4)}
              style={{ color: one.color }}
            >
              {tip(at, one)}
            </rect>
          ));
        }
        const points = one.spans.map(([, to], at) => [x(at), y(to)] as const);
        const base = one.spans.map(([from], at) => [x(at), y(from)] as const).reverse();
        const line = `M${path(points, one.curve)}`;
        return (
          <g key={i}>
            {one.type === "area" && (
              <path
                class="area"
                d={`${line}L${path(base, one.curve)}Z`}
                style={{ color: one.color }}
              />
            )}
            <path class="line" d={line} style={{ color: one.color }} />
            {points.map(([cx, cy], at) => (
              <circle
                key={at}
                cx={cx}
                cy={cy}
                r={points.length > 40 ? 1 : 3}
                style={{ color: one.color }}
              >
                {tip(at, one)}
              </circle>
            ))}
          </g>
        );
      })}
      {!axis.hidden &&
        names.map(
          (name, at) =>
            at % every === 0 && (
              <text key={at} class="x" x={x(at)} y={HEIGHT - 8}>
                {name}
              </text>
            ),
        )}
    </svg>
  );
}

function list(value: unknown): Props[] {
  return Array.isArray(value) ? value.filter(values.isRecord) : [];
}

function readAxis(value: unknown): Axis {
  if (!values.isRecord(value)) return { key: values.text(value), hidden: false, labels: {} };
  const { dataKey, hide, labels } = value;
  return {
    key: values.text(dataKey),
    hidden: hide === true,
    labels: values.isRecord(labels) ? labels : {},
  };
}

/** The series with what is below each in its stack. */
function readSeries(all: Props[], rows: Props[], scheme: values.Scheme): Series[] {
  const heights = new Map<string, { up: number; down: number }[]>();
  return all.map((one, i) => {
    const key = values.text(one["dataKey"]);
    const type = values.oneOf(one["type"], ["bar", "line", "area"], "bar");
    const named = type === "line" ? "" : values.text(one["stack"]);
    const stack = named ? `stack ${named}` : `series ${i}`;
    const below = heights.get(stack) ?? rows.map(() => ({ up: 0, down: 0 }));
    heights.set(stack, below);
    const spans = rows.map((row, at) => {
      const value = Number(row[key]);
      const pile = below[at];
      if (!pile || !Number.isFinite(value)) return [0, 0] as const;
      const side = value < 0 ? "down" : "up";
      const from = pile[side];
      pile[side] += value;
      return [from, from + value] as const;
    });
    const color = values.color(one["color"] ?? COLORS[i % COLORS.length], "chart", scheme);
    return {
      type,
      label: values.text(one["label"]) || key,
      color: color ?? "currentColor",
      stack,
      curve: values.text(one["curveType"]),
      spans,
    };
  });
}

function valueAt(spans: Series["spans"], at: number): number {
  const [from = 0, to = 0] = spans[at] ?? [];
  return Number((to - from).toPrecision(12));
}

/** Bars of one stack stand in one place, those of others beside it. */
function barPlaces(
  series: readonly Series[],
  node: WidgetNode,
  step: number,
): { offset: number; width: number }[] {
  const stacks = [
    ...new Set(series.filter(({ type }) => type === "bar").map(({ stack }) => stack)),
  ];
  const gap = typeof node["barGap"] === "number" ? node["barGap"] : 2;
  const around = typeof node["barCategoryGap"] === "number" ? node["barCategoryGap"] : step * 0.25;
  const room = Math.max(1, step - around);
  const width = Math.max(1, Math.min(48, (room - gap * (stacks.length - 1)) / stacks.length));
  const whole = width * stacks.length + gap * (stacks.length - 1);
  return series.map(({ stack }) => ({
    offset: stacks.indexOf(stack) * (width + gap) - whole / 2,
    width,
  }));
}

type Point = readonly [x: number, y: number];

/** Straight lines, steps, or a curve that goes through every point and beyond none. */
function path(points: readonly Point[], curve: string): string {
  const [first, ...rest] = points;
  if (!first) return "0 0";
  let [beforeX, beforeY] = first;
  let drawn = `${beforeX} ${beforeY}`;
  for (const [x, y] of rest) {
    const half = (beforeX + x) / 2;
    if (curve === "step") drawn += `H${half}V${y}H${x}`;
    else if (curve === "stepBefore") drawn += `V${y}H${x}`;
    else if (curve === "stepAfter") drawn += `H${x}V${y}`;
    else if (curve === "" || curve.startsWith("linear")) drawn += `L${x} ${y}`;
    else drawn += `C${half} ${beforeY} ${half} ${y} ${x} ${y}`;
    [beforeX, beforeY] = [x, y];
  }
  return drawn;
}

/** About four round numbers from below the lowest to above the highest. */
export function niceTicks(low: number, high: number): number[] {
  const span = high - low || 1;
  const rough = span / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  const first = Math.floor(low / step);
  const count = Math.ceil(high / step) - first;
  return Array.from({ length: Math.max(1, count) + 1 }, (_, i) =>
    Number(((first + i) * step).toPrecision(12)),
  );
}

function shortNumber(value: number): string {
  return new Intl.NumberFormat(undefined, { notation: "compact" }).format(value);
}
