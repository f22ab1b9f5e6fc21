// Stacked bars by day: drawn by ECharts on a canvas, read by pointer or arrow keys, toggled by the page's own legend.
// All text in it arrives written by the server; numbers are used for heights alone.
import { BarChart } from "echarts/charts";
import { GridComponent, TooltipComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

use([BarChart, GridComponent, TooltipComponent, CanvasRenderer]);

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const compact = new Intl.NumberFormat(document.documentElement.lang, { notation: "compact", maximumFractionDigits: 2 });

function series(data, hidden) {
  const ground = style("--ground");
  return data.series.map((one, number) => ({
    type: "bar",
    name: one.name,
    stack: "day",
    barCategoryGap: "28%",
    barMaxWidth: 40,
    cursor: "default",
    itemStyle: { color: style(`--colour-${one.colour}`), borderColor: ground, borderWidth: 0.5 },
    emphasis: { disabled: true },
    data: hidden.has(number) ? [] : one.heights.map((height, day) => bar(height, day === data.openDay, ground)),
  }));
}

// Today's bar is hatched: it is not over yet.
function bar(height, open, ground) {
  const value = height === null ? null : Number(height);
  if (!open) return value;
  const decal = { symbol: "rect", color: ground, dashArrayX: [1, 0], dashArrayY: [2, 4], rotation: -Math.PI / 4 };
  return { value, itemStyle: { decal } };
}

function options(data, hidden) {
  const text = { color: style("--quiet"), fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 12 };
  return {
    animation: false,
    grid: { left: 8, right: 8, top: 12, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    xAxis: {
      type: "category",
      data: data.days.map((day) => day.tick),
      axisLabel: { ...text, hideOverlap: true },
      axisTick: { show: false },
      axisLine: { lineStyle: { color: style("--line-strong") } },
    },
    yAxis: {
      type: "value",
      min: 0,
      splitNumber: 4,
      axisLabel: { ...text, formatter: (value) => compact.format(value) },
      splitLine: { lineStyle: { color: style("--line") } },
    },
    tooltip: {
      trigger: "axis",
      axisPointer: { type: "shadow", shadowStyle: { color: style("--shade") } },
      confine: true,
      transitionDuration: 0,
      className: "chart-tip",
      backgroundColor: style("--raised"),
      borderColor: style("--line-strong"),
      padding: 12,
      textStyle: { color: style("--ink"), fontSize: 13, fontFamily: text.fontFamily },
      formatter: ([first]) => first && reading(data, hidden, first.dataIndex),
    },
    series: series(data, hidden),
  };
}

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

// One day's figures, largest stack on top as drawn.
function reading(data, hidden, day) {
  const rows = data.series
    .map((one, number) => ({ one, number }))
    .filter(({ one, number }) => !hidden.has(number) && one.heights[day] !== null)
    .reverse()
    .map(({ one }) =>
      element(
        "tr",
        "",
        element("td", "", element("i", `swatch colour-${one.colour}`), one.name),
        element("td", "num", one.amounts[day]),
      ),
    );
  const note = day === data.openDay ? ` (${data.openNote})` : "";
  const box = element("div", "", element("strong", "", data.days[day].label + note));
  if (rows.length) box.append(element("table", "", ...rows));
  if (!hidden.size) box.append(element("p", "num", data.totals[day] || "–"));
  return box;
}

function draw(box) {
  const data = JSON.parse(document.getElementById(box.dataset.chart).textContent);
  const hidden = new Set();
  const chart = init(box, null, { renderer: "canvas" });
  const redraw = () => chart.setOption(options(data, hidden), { notMerge: true });
  redraw();
  new ResizeObserver(() => chart.resize()).observe(box);
  for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", redraw);
  followLegend(box.closest("section"), hidden, redraw);
  readByKeys(box, chart, data, hidden);
}

function followLegend(section, hidden, redraw) {
  for (const item of section.querySelectorAll(".legend-item"))
    item.addEventListener("click", () => {
      const number = Number(item.dataset.series);
      if (!hidden.delete(number)) hidden.add(number);
      item.setAttribute("aria-pressed", String(!hidden.has(number)));
      redraw();
    });
}

function readByKeys(box, chart, data, hidden) {
  const spoken = document.getElementById("chart-reading");
  const last = data.days.length - 1;
  let day = data.openDay ?? last;
  const moves = { ArrowLeft: -1, ArrowRight: 1, Home: -last, End: last };
  box.addEventListener("keydown", (event) => {
    if (!(event.key in moves)) return;
    event.preventDefault();
    day = Math.max(0, Math.min(last, day + moves[event.key]));
    chart.dispatchAction({ type: "showTip", seriesIndex: 0, dataIndex: day });
    spoken.textContent = [...reading(data, hidden, day).querySelectorAll("strong, td, p")]
      .map((part) => part.textContent)
      .join(", ");
  });
  box.addEventListener("blur", () => chart.dispatchAction({ type: "hideTip" }));
}

for (const box of document.querySelectorAll("[data-chart]")) draw(box);
