// What every page loads: htmx for links that swap a part of the page. Each of them works as a plain link or form when
// this file does not run.
import "htmx.org";
import "./scripts/person.js";
import "./scripts/metering.js";

const KEPT = ["by", "open", "q"];

// A part that was swapped has an address of its own: the links around it (month, language, theme) keep its state.
document.addEventListener("htmx:after:history:update", () => {
  const state = new URL(location.href).searchParams;
  for (const link of document.querySelectorAll("a[data-state]")) {
    const url = new URL(link.href);
    for (const name of KEPT) {
      if (state.has(name)) url.searchParams.set(name, state.get(name));
      else url.searchParams.delete(name);
    }
    link.href = url.href;
  }
});

// Menus are <details>: they close on Escape, on a click elsewhere, and when another one opens.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]"))
    if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A part that cannot be swapped (signed out, refused, failed) is shown as the page it is.
document.addEventListener("htmx:response:error", (event) => location.assign(event.detail.ctx.request.action));

// The theme is remembered in a cookie: a shared address does not carry it.
const here = new URL(location.href);
if (here.searchParams.has("theme")) {
  here.searchParams.delete("theme");
  history.replaceState(history.state, "", here);
}
