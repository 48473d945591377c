/** The page: sign-in, header, banners, and which view is shown. */
import { localized, t } from "../i18n/i18n.js";
import { mountTasks } from "../tasks/cards.js";
import { enterView, here, isOnTop } from "./address.js";
import { anyToken, isTokenKey, onDenied, prove, setToken, token, tokenInAddress } from "./api.js";
import { button, h, icon, iconButton, setText, visible } from "./dom.js";
import { fmtSpan, fmtTime } from "./format.js";
import { lazy } from "./lazy.js";
import { connect, disconnect } from "./live_updates.js";
import { engineProblems } from "./status_text.js";
import { machine, store } from "./store.js";

const VIEWS = {
  tasks: () => ({ mount: mountTasks }),
  runs: () => lazy("runs/list.js"),
  timeline: () => lazy("timeline/timeline.js"),
  graph: () => lazy("graph/graph.js"),
  engine: () => lazy("engine/engine.js"),
};
// Views without a tab: of one thing each.
const DETAILS = {
  task: () => lazy("task/task.js"),
};
// Each loads what it needs, and resolves to how it is opened.
const DIALOGS = {
  run: () => lazy("runs/history.js").then(({ openRun }) => (id) => openRun(Number(id))),
  history: () => lazy("runs/history.js").then(({ openHistory }) => openHistory),
  log: () => lazy("logs/log.js").then(({ openLog }) => (id) => openLog({ taskId: id })),
  why: () => lazy("why/why.js").then(({ openWhy }) => (id) => openWhy(id, here().at)),
  output: () => lazy("logs/log.js").then(({ openLog }) => (id) => openLog({ runId: Number(id) })),
};
const THEME_KEY = "minisched.theme";
// The end of the last downtime whose banner was put away.
const DOWNTIME_KEY = "minisched.downtime_seen";
// How many failed messages there were when their banner was put away.
const FAILED_KEY = "minisched.failed_hidden";
// Problems of the engine that have a banner each.
const PROBLEMS_MAX = 4;

let leaveView = () => {};
let leaveShell = () => {};
// Counts the views: one that loads slowly must not replace a later one.
let viewNumber = 0;

const announcements = h("div", { class: "hidden-label", role: "log", "aria-live": "polite" });

// What is said within this time is said together; of more than so many texts only how many tasks need attention.
const SPEAK_MS = 2000;
const SPOKEN_MAX = 3;
let unsaid = [];

/** Speak to screen readers. For rare events: who hears it often stops listening. */
function announce(text) {
  if (!unsaid.length) setTimeout(speak, SPEAK_MS);
  unsaid.push(text);
}

function speak() {
  const texts = unsaid.length > SPOKEN_MAX ? [t("attention_headline", { n: store.troubled.size })] : unsaid;
  unsaid = [];
  announcements.replaceChildren(...texts.map((text) => h("p", { text })));
}

// ---- token ----

/**
 * Take over the token in the address. Any page may link here with a wrong one, so the engine must know it before it
 * replaces a stored one. Resolves to whether there is a new token.
 */
async function takeTokenFromAddress() {
  const given = tokenInAddress();
  if (location.hash.startsWith("#token=")) history.replaceState(null, "", location.pathname);
  if (!given || given === anyToken()) return false;
  let reads = false;
  try {
    reads = await prove(given);
  } catch (error) {
    refusal = error.code === "unproven" ? t("err_unproven") : "";
    // Without an answer it may be right.
    if (refusal || anyToken()) return false;
  }
  // A link with the token for reading takes nothing away.
  if (reads && token()) return false;
  setToken(given, reads);
  return true;
}

/** Close the open dialogs, except one with unsaved changes. Resolves to a function that waits until that one is closed. */
async function closeDialogs(options) {
  // Where one is open this is loaded, so an engine that is lost does not matter.
  const shared = document.querySelector("dialog[open]") && (await import("./shared.js"));
  return shared?.closeDialogs(options) ?? (() => null);
}

function signOut() {
  setToken("");
  disconnect();
  start();
}

// ---- settings ----

const theme = {
  names: ["auto", "light", "dark"],
  get: () => localStorage.getItem(THEME_KEY) ?? "auto",
  set(name) {
    localStorage.setItem(THEME_KEY, name);
    // The dark colours are the first @media rule of style.css.
    const dark = [...(document.styleSheets[0]?.cssRules ?? [])].find((rule) => rule instanceof CSSMediaRule);
    if (dark) dark.media.mediaText = { dark: "all", light: "not all" }[name] ?? "(prefers-color-scheme: dark)";
  },
};

const showSettings = () => lazy("core/settings.js").then(({ openSettings }) => openSettings(theme, redraw), () => {});

/** Show all again, in another language or time zone. */
function redraw() {
  const scrolled = scrollY;
  leaveShell();
  leaveShell = buildShell(scrolled);
}

// ---- shell ----

/** The names of the views. Without a token the engine is not among them. */
const views = () => Object.keys(VIEWS).filter((name) => name !== "engine" || token());

/** The view in the address: [its name, the id of what it shows]. */
function viewInAddress() {
  const { name, id } = here();
  if (Object.hasOwn(DETAILS, name) && id) return [name, id];
  return [views().includes(name) ? name : "tasks", ""];
}

function header() {
  const tabs = views().map((name) =>
    h("a", { href: `#${name}`, class: "tab", dataset: { view: name } }, t(`view_${name}`), name === "engine" && [h("span", { class: "tab-dot", hidden: true }), h("span", { class: "tab-count", role: "img", hidden: true })]),
  );
  const light = h("span", { class: "link-light", role: "img" });
  const name = h("span", { class: "machine" });
  const sign = anyToken() ? iconButton("signout", t("sign_out"), signOut, { class: "sign" }) : iconButton("signin", t("signin_title"), () => showSignin(), { class: "sign" });
  const el = h(
    "header",
    { class: "header" },
    h(
      "div",
      { class: "header-in" },
      h("a", { class: "brand", href: "#tasks" }, icon("brand", "brand-mark"), h("span", { class: "brand-word", text: "minisched" }), name),
      h("nav", { class: "tabs", "aria-label": t("views") }, tabs),
      h("div", { class: "header-tools" }, light, iconButton("settings", t("settings"), showSettings), sign),
    ),
  );
  return {
    el,
    show(view) {
      for (const tab of tabs) {
        if (tab.dataset.view === (view === "task" ? "tasks" : view)) tab.setAttribute("aria-current", "page");
        else tab.removeAttribute("aria-current");
      }
    },
    update() {
      const label = t(store.link === "lost" ? "err_network" : `link_${store.link}`);
      light.dataset.link = store.link;
      light.title = label;
      light.setAttribute("aria-label", label);
      const { status } = store;
      setText(name, machine());
      if (status) name.title = visible(`${status.host}: ${status.home}`);
      const problems = status && (status.config.problems.length || engineProblems(status).length);
      const failed = store.failedUnseen();
      const count = el.querySelector(".tab-count");
      if (!count) return;
      el.querySelector(".tab-dot").hidden = !problems || failed > 0;
      count.hidden = !failed;
      setText(count, failed > 99 ? "99+" : String(failed));
      count.title = t("messages_failed", { n: failed });
      count.setAttribute("aria-label", count.title);
    },
  };
}

/** The banners above every view: connection lost, config not loaded, standing problems. */
function banners() {
  // It counts the seconds: `announce` says it once.
  const lost = h("div", { class: "lost", hidden: true, "aria-live": "off" }, icon("warn"), h("p"));
  const rows = h("div", { class: "banners" });
  const el = h("div", { class: "bands", role: "status", "aria-atomic": "false" }, lost, rows);
  let shown = "";
  return {
    el,
    tick() {
      lost.hidden = store.link !== "lost";
      const key = store.lostWhy === "unproven" ? "err_unproven" : "link_lost";
      if (!lost.hidden) setText(lost.querySelector("p"), t(key, { span: fmtSpan((Date.now() - store.lostSince) / 1000) }));
    },
    update(view) {
      this.tick();
      const { status } = store;
      const texts = [];
      const down = status?.last_downtime;
      if (down?.missed && localStorage.getItem(DOWNTIME_KEY) !== down.to) {
        texts.push(t("engine_was_down", { from: fmtTime(down.from, { seconds: false }), to: fmtTime(down.to, { seconds: false }), n: down.missed }));
      }
      const downtimes = texts.length;
      const failed = status?.outbox.failed ?? 0;
      // Fewer than were put away are left: the next one is new.
      if (status && Number(localStorage.getItem(FAILED_KEY)) > failed) localStorage.setItem(FAILED_KEY, failed);
      const isHidden = ({ key }) => key === "notifications" && failed > 0 && Number(localStorage.getItem(FAILED_KEY)) === failed;
      // A calendar that ends is a warning of the config; it is the only one that many tasks depend on.
      for (const one of status?.config.warnings ?? []) if (view !== "engine" && one.place.includes("calendars")) texts.push(visible(localized(one)));
      if (status?.paused) texts.push(t("engine_paused"));
      if (status?.stopping) texts.push(t("engine_stopping"));
      if (view !== "engine" && status?.config.problems.length) texts.push(t("config_broken", { n: status.config.problem_count }));
      const problems = status && view !== "engine" ? engineProblems(status).filter((one) => !isHidden(one)) : [];
      const ofMessages = problems.find(({ key }) => key === "notifications");
      const shownEach = problems.length > PROBLEMS_MAX ? PROBLEMS_MAX - 1 : PROBLEMS_MAX;
      texts.push(...problems.slice(0, shownEach).map(({ message }) => visible(message)));
      if (problems.length > PROBLEMS_MAX) texts.push(t("engine_troubled", { n: problems.length - shownEach }));
      if (!token()) texts.push(t("read_only"));
      const key = JSON.stringify([texts, view]);
      if (key === shown) return;
      shown = key;
      rows.replaceChildren(
        ...texts.map((text, i) => {
          const isDown = i < downtimes;
          const href = isDown ? "#runs?status=missed&span=24h" : "#engine";
          const link = token() && (isDown || view !== "engine") && h("a", { href, text: t("show") });
          const isFailed = ofMessages && text === visible(ofMessages.message);
          const away = () => {
            localStorage.setItem(isDown ? DOWNTIME_KEY : FAILED_KEY, isDown ? down.to : failed);
            this.update(view);
          };
          const hide = (isDown || isFailed) && h("button", { type: "button", class: "link", text: t("hide"), on: { click: away } });
          return h("div", { class: "banner" }, icon("info"), h("p", {}, text, " ", link, " ", hide));
        }),
      );
    },
  };
}

// The icon of the tab by state: [colour, path]. It is part of the address, since a lost engine serves none.
const TAB_ICONS = { well: ["#2855c5", "M24.7 11.5A10 10 0 1 0 26 16M11.5 16l3.7 3.7L23 11"], failing: ["#bf2a2f", "M11 11l10 10M21 11L11 21"], lost: ["#596474", "M12 12.5a4.2 4 0 1 1 6 3.6c-1.4.8-2 1.5-2 3M16 23.5v.1"] };

/** Title and icon of the browser's tab: how many tasks need attention, whatever view is open, or that the engine is lost. */
function showInTab() {
  const count = store.troubled.size;
  const state = store.link === "lost" ? "lost" : count ? "failing" : "well";
  const title = [{ lost: "(?)", failing: `(${count})` }[state], machine() && `${machine()} –`, "minisched"].filter(Boolean).join(" ");
  if (document.title !== title) document.title = title;
  const [colour, path] = TAB_ICONS[state];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="${colour}"/><path d="${path}" fill="none" stroke="#fff" stroke-width="3.4" stroke-linecap="round"/></svg>`;
  const href = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  const link = document.querySelector("link[rel=icon]");
  if (link.getAttribute("href") !== href) link.setAttribute("href", href);
}

/** Build header, banners and view. `scrolled`: how far the view is scrolled at first, in px. Returns how to remove it. */
function buildShell(scrolled = 0) {
  const top = header();
  const bands = banners();
  const main = h("main", { id: "main", tabindex: "-1" });
  let view = null;
  let viewId = "";
  // That the view, or a dialog above it, could not be loaded; then it is, once the engine responds again.
  const failure = h("div", { class: "empty", role: "alert" });
  // Has the view follow its address, where it is shown already.
  let route = () => {};
  let scrollTarget = scrolled;
  const skip = h("a", { class: "skip", href: "#main", text: t("skip_link"), on: { click: (e) => (e.preventDefault(), main.focus()) } });
  const head = h("div", { class: "head" }, top.el, bands.el);
  document.body.replaceChildren(skip, head, main, announcements);
  // What sticks below it, and what the focus is scrolled to, keeps clear of it.
  const sized = new ResizeObserver(() => document.documentElement.style.setProperty("--top", `${head.offsetHeight}px`));
  sized.observe(head);

  function fail(error) {
    const why = error.code === "network" ? t("err_network") : visible(error.message);
    failure.replaceChildren(h("p", { text: t("view_failed") }), h("p", { class: "muted", text: why }), button(t("try_again"), show));
    main.prepend(failure);
    scrollTo(0, 0);
  }

  /** Open the dialog of the address, once the tasks that it names and acts on are known. */
  async function showDialog(load, id) {
    const { hash } = location;
    try {
      const [open] = await Promise.all([load(), store.whenLoaded()]);
      if (location.hash === hash && !isOnTop()) open(id);
    } catch (error) {
      if (location.hash === hash) fail(error);
    }
  }

  async function show() {
    const { name: kind, id: shown } = here();
    const dialog = shown && token() && Object.hasOwn(DIALOGS, kind) && DIALOGS[kind];
    if (dialog && isOnTop()) return;
    failure.remove();
    // The dialogs belong to the view that is left.
    await closeDialogs();
    if (dialog) showDialog(dialog, shown);
    if (dialog && view) return;
    const [name, id] = viewInAddress();
    if (!dialog) enterView();
    if (name === view && id === viewId) return route();
    view = name;
    viewId = id;
    viewNumber += 1;
    const mine = viewNumber;
    leaveView();
    leaveView = route = () => {};
    main.replaceChildren(name === "tasks" || store.loaded ? "" : h("p", { class: "empty muted", text: t("loading") }));
    main.className = `view-${name}`;
    top.show(name);
    bands.update(view);
    try {
      // The view of the tasks shows itself how they are loaded.
      const [module] = await Promise.all([(VIEWS[name] ?? DETAILS[name])(), name === "tasks" || store.whenLoaded()]);
      if (mine !== viewNumber) return;
      main.replaceChildren();
      ({ leave: leaveView = () => {}, route = () => {} } = module.mount(main, store, announce, id));
      scrollTo(0, scrollTarget);
      scrollTarget = 0;
    } catch (error) {
      if (mine !== viewNumber) return;
      view = null;
      main.replaceChildren();
      fail(error);
    }
  }

  const update = (change) => {
    showInTab();
    if (!change.status && !change.link) return;
    if (store.link === "denied") return denied();
    if (failure.isConnected && ["live", "poll"].includes(store.link)) show();
    const { classList } = document.documentElement;
    const isLost = store.link === "lost";
    if (isLost !== classList.contains("is-lost")) announce(t(!isLost ? "link_live" : store.lostWhy === "unproven" ? "err_unproven" : "err_network"));
    classList.toggle("is-lost", isLost);
    top.update();
    bands.update(view);
  };
  const unsubscribe = store.on(update);
  const clock = setInterval(() => bands.tick(), 1000);
  window.addEventListener("hashchange", show);
  show();
  update({ link: true });
  return () => {
    unsubscribe();
    clearInterval(clock);
    sized.disconnect();
    window.removeEventListener("hashchange", show);
    leaveView();
    leaveView = () => {};
    viewNumber += 1;
  };
}

let handlingDenial = false;
// Why the token in the address was not taken.
let refusal = "";

/** The engine rejects the token: show the sign-in, once no dialog with unsaved changes is open any more. */
async function denied() {
  if (handlingDenial) return;
  handlingDenial = true;
  const rejected = anyToken();
  const why = rejected ? t("err_unproven") : refusal;
  await (await closeDialogs({ denied: true }))();
  handlingDenial = false;
  // Another tab may have signed in meanwhile.
  if (anyToken() !== rejected && anyToken()) start();
  else showSignin(why);
}

async function showSignin(message = "") {
  const statesArePublic = store.loaded && !token();
  leaveShell();
  leaveShell = () => {};
  disconnect();
  await (await closeDialogs())();
  document.documentElement.classList.remove("is-lost");
  const back = () => {
    history.replaceState(null, "", location.pathname);
    start();
  };
  try {
    (await lazy("core/signin.js")).mountSignin(document.body, message, start, statesArePublic ? back : null);
  } catch {
    document.body.replaceChildren(h("div", { class: "empty" }, h("p", { text: t("err_network") }), button(t("try_again"), () => location.reload())));
  }
}

function start() {
  leaveShell();
  connect();
  leaveShell = buildShell();
}

/** Load what the first click needs when the user touches the page: a page that is only looked at stays small. */
function loadAhead() {
  const load = () => token() && lazy("tasks/actions.js").catch(() => {});
  for (const type of ["pointermove", "pointerdown", "keydown"]) window.addEventListener(type, load, { once: true, passive: true });
}

loadAhead();
theme.set(theme.get());
window.addEventListener("hashchange", async () => {
  if (!(await takeTokenFromAddress())) return;
  await (await closeDialogs())();
  disconnect();
  start();
});
onDenied(() => ["live", "poll", "lost"].includes(store.link) && store.setLink("denied"));
// Another tab has signed out or in.
window.addEventListener("storage", async ({ key, storageArea }) => {
  if (storageArea !== localStorage || !(key === null || isTokenKey(key))) return;
  if (anyToken() && !document.querySelector("main.signin")) return;
  if (!anyToken()) {
    disconnect();
    await (await closeDialogs({ denied: true }))();
  }
  start();
});
document.addEventListener("keydown", (event) => {
  const palette = (event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k";
  const keys = event.key === "?" && !event.target.closest("input, textarea, select, [contenteditable]");
  if (!(palette || keys) || event.defaultPrevented || document.querySelector("dialog[open], main.signin")) return;
  event.preventDefault();
  lazy("core/palette.js").then((module) => (palette ? module.openPalette({ views: views(), showSettings, signOut }) : module.openKeys()), () => {});
});
if (localStorage.getItem("minisched.alerts")) lazy("core/alerts.js").catch(() => {});
showInTab();
takeTokenFromAddress().then(start);
