// The Metering information window: opens over the page what its link leads to, and keeps in the page's address what it
// shows, so that the view can be shared. Without this file the links lead to the same as a page.

const PARAMETER = "metering";
const INSIDE = [/^\/metering$/, /^\/invoices\/[\w-]+\/lines\/\d+\/metering$/];

const frame = document.createElement("dialog");
const content = document.createElement("div");
frame.className = "window";
frame.setAttribute("aria-labelledby", "metering-title");
content.className = "window-content";
frame.append(content);
let opener = null;
let asked = 0;

// Where a link may lead in the window: to its own addresses, never to another page or another site.
function inside(href) {
  if (!href || !URL.canParse(href, location.origin)) return null;
  const url = new URL(href, location.origin);
  return url.origin === location.origin && INSIDE.some((path) => path.test(url.pathname)) ? url : null;
}

function remember(url, push) {
  const mark = (address) => {
    const page = new URL(address);
    page.searchParams.delete(PARAMETER);
    if (url) page.searchParams.set(PARAMETER, url.pathname + url.search);
    return page;
  };
  const page = mark(location.href);
  if (push) history.pushState({}, "", page);
  else history.replaceState(history.state, "", page);
  for (const link of document.querySelectorAll("a[data-state]")) link.href = mark(link.href);
}

async function show(url, push) {
  const number = (asked += 1);
  frame.setAttribute("aria-busy", "true");
  const answer = await fetch(url, { headers: { "HX-Request": "true" } }).catch(() => null);
  if (number !== asked) return;
  if (!answer?.ok) return location.assign(url);
  remember(url, push);
  // Signed out meanwhile: the page beneath leads to the form, and from there back to this view.
  if (answer.status === 204) return location.reload();
  const text = await answer.text();
  if (number === asked) fill(text);
}

function fill(text) {
  const parts = document.createElement("template");
  parts.innerHTML = text;
  const focused = document.activeElement?.closest("dialog.window") && document.activeElement.id;
  content.replaceChildren(parts.content);
  frame.removeAttribute("aria-busy");
  if (!frame.isConnected) document.body.append(frame);
  if (!frame.open) frame.showModal();
  const again = focused && document.getElementById(focused);
  if (!again) content.scrollTop = 0;
  (again || document.getElementById("metering-title")).focus({ preventScroll: true });
}

function follow() {
  const wanted = inside(new URL(location.href).searchParams.get(PARAMETER));
  if (wanted) show(wanted, false);
  else if (frame.open) frame.close();
}

function focusTitle() {
  const title = document.querySelector("main h1");
  title?.setAttribute("tabindex", "-1");
  title?.focus();
}

const isPlain = (event) => !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button);

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-window], dialog.window a[href]:not([download])");
  const url = link && isPlain(event) && inside(link.getAttribute("href"));
  if (!url) return;
  event.preventDefault();
  if (!frame.open) opener = link;
  show(url, !frame.open);
});

frame.addEventListener("click", (event) => {
  if (event.target === frame) frame.close();
});
frame.addEventListener("submit", (event) => {
  const form = event.target;
  const url = form.method === "get" && inside(form.getAttribute("action"));
  if (!url) return;
  event.preventDefault();
  url.search = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  show(url, false);
});
frame.addEventListener("close", () => {
  asked += 1;
  remember(null, false);
  if (opener?.isConnected) opener.focus();
  else focusTitle(); // of the page beneath a shared address
  opener = null;
});

document.addEventListener("change", (event) => {
  if (event.target.matches("select[data-submits]")) event.target.form.requestSubmit();
});
addEventListener("popstate", follow);
follow();
