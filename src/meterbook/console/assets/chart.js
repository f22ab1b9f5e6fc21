// Stacked bars by day: the server drew them; here they are read by pointer or arrow keys, and products are left out.
// All text in it arrives written by the server; numbers are used for heights alone.

const HIGH = 1000;
const TICKS_MAX = 5;
const compact = new Intl.NumberFormat(document.documentElement.lang, { notation: "compact", maximumFractionDigits: 2 });

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
  const box = element("div", "chart-tip", element("strong", "", data.days[day].label + note));
  if (rows.length) box.append(element("table", "", element("tbody", "", ...rows)));
  if (!hidden.size) box.append(element("p", "num", data.totals[day] || "–"));
  const before = data.before?.amounts[day];
  if (before && !hidden.size) box.append(element("p", "num quiet", `${data.before.name}: ${before}`));
  return box;
}

// The least of 1, 2, 5, 10, ... (and 0.1, 0.01, ...) by which a few lines reach the most.
function stepTo(most) {
  let step = 10 ** Math.floor(Math.log10(most / TICKS_MAX));
  for (const factor of [1, 2, 5, 10]) if (step * factor * TICKS_MAX >= most) return step * factor;
  return step * 10;
}

// Stacks again what is not hidden, on an axis that fits it.
function stack(box, data, hidden) {
  const shown = data.series.map((one, number) => (hidden.has(number) ? [] : one.heights.map(Number)));
  const sums = data.days.map((_, day) => shown.reduce((sum, heights) => sum + (heights[day] ?? 0), 0));
  const before = hidden.size || !data.before ? [] : data.before.heights.map(Number);
  const most = Math.max(...sums, ...before);
  if (!(most > 0)) return;
  const step = stepTo(most);
  const ticks = Math.ceil(most / step - 1e-9);
  const scale = HIGH / (ticks * step);
  const percent = (value) => `${value / 10}%`;
  const levels = data.days.map(() => 0);
  for (const bar of box.querySelectorAll("rect.bar")) {
    const day = Number(bar.closest("[data-day]").dataset.day);
    const height = (shown[bar.dataset.series][day] ?? 0) * scale;
    levels[day] += height;
    bar.setAttribute("y", percent(HIGH - levels[day]));
    bar.setAttribute("height", percent(height));
  }
  const open = box.querySelector("rect.open-day");
  if (open) {
    open.setAttribute("y", percent(HIGH - levels[data.openDay]));
    open.setAttribute("height", percent(levels[data.openDay]));
  }
  box.querySelector(".before-line")?.toggleAttribute("hidden", hidden.size > 0);
  for (const [selector, place] of [[".grid line", ["y1", "y2"]], [".amounts text", ["y"]]]) {
    const lines = [...box.querySelectorAll(selector)];
    lines.forEach((line, number) => {
      const value = number * step;
      line.toggleAttribute("hidden", number > ticks);
      for (const name of place) line.setAttribute(name, percent(HIGH - value * scale));
      if (line.tagName === "text") line.textContent = compact.format(value);
    });
  }
}

function followLegend(section, box, data, hidden) {
  for (const item of section.querySelectorAll(".legend-item[data-series]")) {
    const button = element("button", item.className, ...item.childNodes);
    button.type = "button";
    button.dataset.series = item.dataset.series;
    button.setAttribute("aria-pressed", "true");
    item.replaceWith(button);
    button.addEventListener("click", () => {
      const number = Number(button.dataset.series);
      if (!hidden.delete(number)) hidden.add(number);
      button.setAttribute("aria-pressed", String(!hidden.has(number)));
      stack(box, data, hidden);
    });
  }
}

function readDays(box, data, hidden) {
  const spoken = document.getElementById("chart-reading");
  const days = [...box.querySelectorAll("[data-day]")];
  const last = data.days.length - 1;
  const moves = { ArrowLeft: -1, ArrowRight: 1, Home: -last, End: last };
  let day = data.openDay ?? last;
  let tip = null;

  function hide() {
    tip?.remove();
    tip = null;
    for (const each of days) each.classList.remove("read");
  }
  function show(number) {
    hide();
    day = number;
    days[day].classList.add("read");
    tip = reading(data, hidden, day);
    box.append(tip);
    const column = days[day].getBoundingClientRect();
    const ground = box.getBoundingClientRect();
    const right = column.right - ground.left + 10;
    const fits = right + tip.offsetWidth <= ground.width;
    tip.style.left = `${Math.max(0, fits ? right : column.left - ground.left - tip.offsetWidth - 10)}px`;
  }

  for (const title of box.querySelectorAll("title")) title.remove();
  box.addEventListener("pointermove", (event) => {
    const under = event.target.closest("[data-day]");
    if (!under) hide();
    else if (Number(under.dataset.day) !== day || !tip) show(Number(under.dataset.day));
  });
  box.addEventListener("pointerleave", hide);
  box.addEventListener("blur", hide);
  box.addEventListener("keydown", (event) => {
    const link = days[day].querySelector("a");
    if (event.key === "Enter" && tip && link) location.assign(link.href.baseVal);
    if (event.key === "Escape") hide();
    if (!(event.key in moves)) return;
    event.preventDefault();
    const begins = !tip && event.key.startsWith("Arrow");
    show(Math.max(0, Math.min(last, begins ? day : day + moves[event.key])));
    spoken.textContent = [...tip.querySelectorAll("strong, td, p")].map((part) => part.textContent).join(", ");
  });
}

for (const box of document.querySelectorAll("[data-chart]")) {
  const data = JSON.parse(document.getElementById(box.dataset.chart).textContent);
  const hidden = new Set();
  followLegend(box.closest("section"), box, data, hidden);
  readDays(box, data, hidden);
}
