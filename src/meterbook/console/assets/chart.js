// Stacked bars by day: the server drew them; here they are read by pointer or arrow keys, and products are left out.
// All text in it arrives written by the server; numbers are used for heights alone. Which products are left out and
// whether the table is open is in the page's address (console/plot_state.py).

const HIGH = 1000;
const TICKS_MAX = 5;
const compact = new Intl.NumberFormat(document.documentElement.lang, { notation: "compact", maximumFractionDigits: 2 });

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

// Writes what the plot shows into the address, and into the links and forms that lead to this page in another state.
function keep(name, value) {
  const marked = (address) => {
    const url = new URL(address, location);
    if (value) url.searchParams.set(name, value);
    else url.searchParams.delete(name);
    url.search = url.search.replaceAll("%2C", ",");
    return url;
  };
  history.replaceState(history.state, "", marked(location));
  for (const link of document.querySelectorAll("main a[href], a[data-state]")) {
    if (new URL(link.getAttribute("href"), location).pathname !== location.pathname) continue;
    for (const attribute of ["href", "hx-get"])
      if (link.hasAttribute(attribute)) link.setAttribute(attribute, marked(link.getAttribute(attribute)));
  }
  for (const field of document.querySelectorAll(`input[data-plot][name="${name}"]`)) {
    field.value = value;
    field.disabled = !value;
  }
}

const isWhole = (data, hidden) => !data.series.some((one) => hidden.has(one.code));

// One day's figures, largest stack on top as drawn.
function reading(data, hidden, day) {
  const rows = data.series
    .filter((one) => !hidden.has(one.code) && one.heights[day] !== null)
    .reverse()
    .map((one) =>
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
  if (!isWhole(data, hidden)) return box;
  box.append(element("p", "num", data.totals[day] || "–"));
  const before = data.before?.amounts[day];
  if (before) box.append(element("p", "num quiet", `${data.before.name}: ${before}`));
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
  const shown = data.series.map((one) => (hidden.has(one.code) ? [] : one.heights.map(Number)));
  const sums = data.days.map((_, day) => shown.reduce((sum, heights) => sum + (heights[day] ?? 0), 0));
  const before = !isWhole(data, hidden) || !data.before ? [] : data.before.heights.map(Number);
  const most = Math.max(...sums, ...before);
  const step = most > 0 ? stepTo(most) : 1;
  const ticks = Math.max(1, Math.ceil(most / step - 1e-9));
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
  box.querySelector(".before-line")?.toggleAttribute("hidden", !isWhole(data, hidden));
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
  for (const item of section.querySelectorAll("a.legend-item")) {
    const { product } = item.dataset;
    const button = element("button", "legend-item", ...item.childNodes);
    const mark = () => {
      button.classList.toggle("off", hidden.has(product));
      button.setAttribute("aria-pressed", String(!hidden.has(product)));
    };
    button.type = "button";
    mark();
    item.replaceWith(button);
    button.addEventListener("click", () => {
      if (!hidden.delete(product)) hidden.add(product);
      mark();
      keep("hide", [...hidden].sort().join(","));
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
  const section = box.closest("section");
  const table = section.querySelector("details");
  const asked = new URL(location).searchParams.get("hide") ?? "";
  const hidden = new Set(asked.split(",").filter(Boolean));
  followLegend(section, box, data, hidden);
  table.addEventListener("toggle", () => keep("table", table.open ? "1" : ""));
  readDays(box, data, hidden);
}
