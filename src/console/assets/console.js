// What every page does where scripts run: follow what changes, say times in this browser's zone, keys.
// The server makes every page whole; this fetches the same page again and replaces the parts that differ.

// --- Times --------------------------------------------------------------------------------------------------

const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const ZONE = new Intl.DateTimeFormat(undefined, { timeZoneName: "short" });

function zoneOf(at) {
  return ZONE.formatToParts(at).find((part) => part.type === "timeZoneName")?.value ?? "";
}

function clockOf(at) {
  const [hours, minutes, seconds] = [at.getHours(), at.getMinutes(), at.getSeconds()].map((n) => String(n).padStart(2, "0"));
  return `${hours}:${minutes}:${seconds}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

// The server writes times in UTC, marked as such; the browser shows them in the user's time zone.
function sayTimes(root) {
  let newest = null;
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.title = FULL.format(at);
    if (time.classList.contains("clock")) { time.textContent = clockOf(at); newest = at; }
  }
  for (const zone of root.querySelectorAll("[data-zone]")) zone.textContent = zoneOf(newest ?? new Date());
}

// --- Live ---------------------------------------------------------------------------------------------------

// What the server sent last, by part: what scripts and people did to a page since is no difference.
const sent = new Map();

function remember() {
  for (const part of document.querySelectorAll("[data-swap]")) sent.set(part.id, part.innerHTML);
}

// Open folds and the place in a scrolled box outlive a replacement; so does the focus, where its element comes again.
function replace(part, html) {
  const open = [...part.querySelectorAll("details")].map((fold) => fold.open);
  const scrolled = [...part.querySelectorAll(".scroll, .drawing")].map((box) => {
    const atEnd = box.scrollTop > 0 && box.scrollHeight - box.scrollTop - box.clientHeight < 8;
    return [box.scrollLeft, atEnd ? Number.MAX_SAFE_INTEGER : box.scrollTop];
  });
  const focusable = () => [...part.querySelectorAll("a, button, [tabindex]")];
  const focused = focusable().indexOf(document.activeElement);
  part.innerHTML = html;
  part.querySelectorAll("details").forEach((fold, at) => { fold.open = open[at] ?? fold.open; });
  part.querySelectorAll(".scroll, .drawing").forEach((box, at) => {
    [box.scrollLeft, box.scrollTop] = scrolled[at] ?? [0, 0];
  });
  if (focused >= 0) focusable()[focused]?.focus({ preventScroll: true });
  sayTimes(part);
  part.dispatchEvent(new CustomEvent("swapped", { bubbles: true }));
}

// Whoever writes or plays something there is not to be disturbed.
function isBusy(part) {
  const focus = document.activeElement;
  if (part.contains(focus) && focus.matches("input, select, textarea")) return true;
  const video = part.querySelector("video");
  return Boolean(video && !video.paused);
}

let fetching = false;
let again = false;

async function refresh() {
  if (fetching) { again = true; return; }
  fetching = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (answer.redirected && new URL(answer.url).pathname === "/login") { location.reload(); return; }
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = fresh.title;
    for (const part of fresh.querySelectorAll("[data-swap]")) {
      const here = document.getElementById(part.id);
      if (!here || sent.get(part.id) === part.innerHTML || isBusy(here)) continue;
      sent.set(part.id, part.innerHTML);
      replace(here, part.innerHTML);
    }
    if (fresh.body.dataset.live === undefined) { delete document.body.dataset.live; stop(); }
  } catch {
    // The stream says that the daemon is away, and comes back with it.
  } finally {
    fetching = false;
    if (again) { again = false; refresh(); }
  }
}

let source = null;

function pulse(state, said) {
  const sign = document.getElementById("pulse");
  if (sign && sign.dataset.state !== state) { sign.dataset.state = state; sign.textContent = said; }
}

function stop() {
  source?.close();
  source = null;
  pulse("ended", "");
}

function showProgress({ activity, progress }) {
  const row = [...document.querySelectorAll("[data-activity]")].find((one) => one.dataset.activity === activity);
  const share = progress.fraction;
  const bar = row?.querySelector("progress");
  if (bar && typeof share === "number") bar.value = share;
  const speed = row?.querySelector(".speed");
  if (speed && typeof progress.speed === "number") speed.textContent = `${progress.speed.toFixed(1)}×`;
  const node = row && document.querySelector(`a.node[href="#${row.id}"]`);
  const drawn = node?.querySelector(".share");
  if (drawn && typeof share === "number") {
    const whole = node.querySelector("rect").width.baseVal.value - 16;
    drawn.setAttribute("width", String(whole * Math.min(1, share)));
  }
}

const RECONNECT_MS = 5000;

function follow() {
  const live = document.body.dataset.live;
  if (live === undefined || source) return;
  source = new EventSource(live ? `/live?execution=${encodeURIComponent(live)}` : "/live");
  source.addEventListener("open", () => pulse("live", "live"));
  source.addEventListener("error", () => {
    pulse("lost", "reconnecting");
    // Browsers give up after an answer that is no event stream, such as a proxy's while the daemon restarts.
    if (source.readyState !== EventSource.CLOSED) return;
    source = null;
    setTimeout(() => { if (!document.hidden) { refresh(); follow(); } }, RECONNECT_MS);
  });
  source.addEventListener("change", refresh);
  source.addEventListener("progress", (event) => showProgress(JSON.parse(event.data)));
}

// --- Keys ---------------------------------------------------------------------------------------------------

const KEYS_OFF = "reelmill-keys-off";
const SECOND_KEY_WITHIN_MS = 1500;
let waiting = null;

function move(step) {
  const rows = [...document.querySelectorAll("table.rows tbody tr")].filter((row) => row.querySelector("a"));
  if (rows.length === 0) return;
  const now = rows.findIndex((row) => row.contains(document.activeElement));
  const first = step > 0 ? 0 : rows.length - 1;
  const next = now < 0 ? first : Math.min(rows.length - 1, Math.max(0, now + step));
  const link = rows[next].querySelector("a");
  link.focus();
  link.scrollIntoView({ block: "nearest" });
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || localStorage.getItem(KEYS_OFF)) return;
  if (event.target.matches("input, select, textarea, video")) return;
  const help = document.getElementById("help");
  if (help.open) return;
  if (waiting) {
    clearTimeout(waiting);
    waiting = null;
    const link = document.querySelector(`nav a[data-go="${CSS.escape(event.key)}"]`);
    if (link) { event.preventDefault(); location.href = link.href; }
    return;
  }
  const does = {
    g: () => { waiting = setTimeout(() => { waiting = null; }, SECOND_KEY_WITHIN_MS); },
    "/": () => document.getElementById("search")?.focus(),
    j: () => move(1),
    k: () => move(-1),
    "?": () => help.showModal(),
  }[event.key];
  if (does) { event.preventDefault(); does(); }
}

function keys() {
  const help = document.getElementById("help");
  if (!help) return;
  const button = document.getElementById("help-button");
  const on = document.getElementById("keys-on");
  button.hidden = false;
  button.addEventListener("click", () => help.showModal());
  on.checked = !localStorage.getItem(KEYS_OFF);
  on.addEventListener("change", () => {
    if (on.checked) localStorage.removeItem(KEYS_OFF); else localStorage.setItem(KEYS_OFF, "1");
  });
  document.addEventListener("keydown", onKey);
}

// --- Filters take effect when they are chosen -----------------------------------------------------------------

for (const select of document.querySelectorAll("form.filters[method=get] select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

// On narrow screens the navigation is wider than they are.
document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

remember();
sayTimes(document);
keys();
follow();
// Browsers keep few connections to one address: a page that nobody sees leaves its own to the others.
document.addEventListener("visibilitychange", () => { if (document.hidden) stop(); else follow(); });
addEventListener("pagehide", stop);
// A page that comes back from the browser's memory is old.
addEventListener("pageshow", (event) => { if (event.persisted) follow(); });
