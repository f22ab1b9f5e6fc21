// What every page loads: htmx for links that swap a part of the page, and groups that open without a request.
// Each of them works as a plain link or form when this file does not run.
import "htmx.org";

const EVERYTHING = "*";

const toggles = (form) => [...form.querySelectorAll("button.toggle")];
const isOpen = (toggle) => toggle.getAttribute("aria-expanded") === "true";

function setOpen(toggle, open) {
  toggle.setAttribute("aria-expanded", String(open));
  toggle.closest("tbody").classList.toggle("open", open);
  document.getElementById(toggle.getAttribute("aria-controls")).hidden = !open;
}

// Keeps the address, the form and the links around it saying what is open, so that any view can be shared.
function remember(form) {
  const all = toggles(form);
  const open = all.filter(isOpen);
  const everything = open.length === all.length;
  const text = everything ? EVERYTHING : open.map((toggle) => toggle.value).join(",");
  const toggleAll = form.querySelector("[data-toggle-all]");
  toggleAll.textContent = everything ? toggleAll.dataset.collapse : toggleAll.dataset.expand;
  form.elements.open.value = text;
  history.replaceState(history.state, "", withOpen(location.href, text));
  for (const link of document.querySelectorAll("a[data-state]")) link.href = withOpen(link.href, text);
}

function withOpen(href, text) {
  const url = new URL(href);
  url.searchParams.delete("toggle");
  if (text) url.searchParams.set("open", text);
  else url.searchParams.delete("open");
  url.search = url.search.replaceAll("%2C", ",");
  return url.href;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[name=toggle]");
  if (!button) return;
  event.preventDefault();
  const all = toggles(button.form);
  if (button.matches(".toggle")) setOpen(button, !isOpen(button));
  else {
    const open = !all.every(isOpen);
    for (const toggle of all) setOpen(toggle, open);
  }
  remember(button.form);
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
