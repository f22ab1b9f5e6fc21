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
let beneath = null; // the address of the page that the window is over
let isLeaving = false; // whether a closed window's step in the history is being taken back
let isSame = false; // whether the last step in the history led to the page that was beneath

// Where a link may lead in the window: to its own addresses, never to another page or another site.
function inside(href) {
  if (!href || !URL.canParse(href, location.origin)) return null;
  const url = new URL(href, location.origin);
  return url.origin === location.origin && INSIDE.some((path) => path.test(url.pathname)) ? url : null;
}

// An address of the page with what the window shows in it, or (null) without.
function marked(address, url) {
  const page = new URL(address);
  page.searchParams.delete(PARAMETER);
  if (url) page.searchParams.set(PARAMETER, url.pathname + url.search + url.hash);
  return page;
}

function mark(url) {
  for (const link of document.querySelectorAll("a[data-state]")) link.href = marked(link.href, url);
}

// Opened from the page the window is a step in the history, of which its state tells.
function remember(url, push) {
  const page = marked(location.href, url);
  if (push) history.pushState({ [PARAMETER]: true }, "", page);
  else history.replaceState(history.state, "", page);
  beneath = url && marked(page, null).href;
  mark(url);
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
  if (number === asked) fill(text, url.hash.slice(1));
}

function fill(text, place) {
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
  if (!again && place) document.getElementById(place)?.focus();
}

function follow() {
  const wanted = inside(new URL(location.href).searchParams.get(PARAMETER));
  if (wanted) show(wanted, false);
  else if (frame.open) frame.close();
}

// The focus returns to what opened the window; beneath a shared address nothing did.
function giveFocusBack() {
  const to = opener?.isConnected ? opener : document.querySelector("main h1");
  if (to !== opener) to?.setAttribute("tabindex", "-1");
  document.activeElement?.blur(); // a step in the history takes the focus away, unless it moves meanwhile
  to?.focus();
  opener = null;
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
  const isInAddress = new URL(location.href).searchParams.has(PARAMETER);
  if (isInAddress && history.state?.[PARAMETER]) {
    isLeaving = true;
    return history.back();
  }
  if (isInAddress) remember(null, false);
  giveFocusBack();
});

document.addEventListener("change", (event) => {
  if (event.target.matches("select[data-submits]")) event.target.form.requestSubmit();
});
addEventListener("popstate", () => {
  isSame = (isLeaving || frame.open) && marked(location.href, null).href === beneath;
  if (isLeaving) giveFocusBack();
  isLeaving = false;
  mark(null);
  follow();
});
// htmx loads again where the history leads to; the page beneath the window is still there.
document.addEventListener("htmx:before:history:restore", (event) => {
  if (isSame) event.preventDefault();
});
follow();
