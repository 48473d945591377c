/** The page: sign-in, header, banners, and which view is shown. */
import { accepts, onDenied, setToken, token } from "./api.js";
import * as cards from "./cards.js";
import { button, fmtSpan, h, icon, iconButton, setText, visible } from "./dom.js";
import { lang, onLang, ready, setLang, t } from "./i18n.js";
import { connect, disconnect } from "./link.js";
import { room } from "./rooms.js";
import { store } from "./store.js";
import { troubles } from "./words.js";

export { store };

const VIEWS = {
  tasks: () => cards,
  timeline: () => room("./timeline.js"),
  graph: () => room("./graph.js"),
  engine: () => room("./engine.js"),
};
const THEMES = ["auto", "light", "dark"];
const THEME_KEY = "minisched.theme";

let leaveView = () => {};
let leaveShell = () => {};
let shown = 0; // counts views, so that one that loads slowly does not replace a later one

const speaker = h("div", { class: "hidden-label", role: "log", "aria-live": "polite" });

/** Speak to screen readers; seldom, so that it is heard. */
function announce(text) {
  speaker.append(h("p", { text }));
  while (speaker.children.length > 5) speaker.firstChild.remove();
}

// ---- token ----

/**
 * Any page may link here with a token of its own making: the one that is kept gives way only to one that the engine
 * takes. Gives whether there is another one now.
 */
async function takeTokenFromAddress() {
  const found = /^#token=(.+)$/.exec(location.hash);
  if (!found) return false;
  history.replaceState(null, "", location.pathname);
  let given;
  try {
    given = decodeURIComponent(found[1]).trim();
  } catch {
    return false;
  }
  if (!/^[!-~]+$/.test(given) || given === token() || (token() && !(await accepts(given)))) return false;
  setToken(given);
  return true;
}

/** Close what dialogs are open: all but one whose changes would be lost. Gives a function to wait for that one with. */
async function closeDialogs(options) {
  const { closeAll } = document.querySelector("dialog[open]") ? await import("./dialog.js") : {};
  return closeAll?.(options) ?? (() => null);
}

function signOut() {
  setToken("");
  disconnect();
  start();
}

// ---- theme ----

function theme() {
  return localStorage.getItem(THEME_KEY) ?? "auto";
}

function setTheme(name) {
  if (name === "auto") localStorage.removeItem(THEME_KEY);
  else localStorage.setItem(THEME_KEY, name);
  document.getElementById("dark").media = { dark: "all", light: "not all" }[name] ?? "(prefers-color-scheme: dark)";
}

// ---- shell ----

/** The views that there are: without a token the engine is not among them. */
const views = () => Object.keys(VIEWS).filter((name) => name !== "engine" || token());

function viewInAddress() {
  const name = location.hash.slice(1).split("/")[0];
  return views().includes(name) ? name : "tasks";
}

function header() {
  const tabs = views().map((name) =>
    h("a", { href: `#${name}`, class: "tab", dataset: { view: name } }, t(`view_${name}`), name === "engine" && [h("span", { class: "tab-dot", hidden: true }), h("span", { class: "tab-count", role: "img", hidden: true })]),
  );
  const light = h("span", { class: "link-light", role: "img" });
  const look = iconButton(theme(), t(`theme_${theme()}`), () => {
    setTheme(THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]);
    const word = t(`theme_${theme()}`);
    look.replaceChildren(icon(theme()));
    look.title = word;
    look.setAttribute("aria-label", word);
  });
  const other = lang() === "zh" ? "en" : "zh-CN";
  const language = h(
    "button",
    { type: "button", class: "icon-button language", lang: other, title: t("language_tip"), "aria-label": `${t("language")}: ${t("language_tip")}`, on: { click: () => setLang(lang() === "zh" ? "en" : "zh") } },
    t("language"),
  );
  const out = token() ? iconButton("signout", t("sign_out"), signOut, { class: "sign" }) : iconButton("signin", t("signin_title"), () => showSignin(), { class: "sign" });
  const el = h(
    "header",
    { class: "header" },
    h(
      "div",
      { class: "header-in" },
      h("a", { class: "brand", href: "#tasks" }, brandMark(), "minisched"),
      h("nav", { class: "tabs", "aria-label": t("views") }, tabs),
      h("div", { class: "header-tools" }, light, language, look, out),
    ),
  );
  return {
    el,
    show(view) {
      for (const tab of tabs) {
        if (tab.dataset.view === view) tab.setAttribute("aria-current", "page");
        else tab.removeAttribute("aria-current");
      }
    },
    take() {
      const word = t(store.link === "lost" ? "err_network" : `link_${store.link}`);
      light.dataset.link = store.link;
      light.title = word;
      light.setAttribute("aria-label", word);
      const { status } = store;
      const trouble = status && (status.config.problems.length || troubles(status).length);
      const failed = store.failedUnseen();
      const count = el.querySelector(".tab-count");
      if (!count) return;
      el.querySelector(".tab-dot").hidden = !trouble || failed > 0;
      count.hidden = !failed;
      setText(count, failed > 99 ? "99+" : String(failed));
      count.title = t("messages_failed", { n: failed });
      count.setAttribute("aria-label", count.title);
    },
  };
}

export function brandMark() {
  return icon("brand", "brand-mark");
}

/** What stands above every view: a lost engine, a config that is not in force, standing problems. */
function banners() {
  const lost = h("div", { class: "lost", hidden: true }, icon("warn"), h("p"));
  const rows = h("div", { class: "banners" });
  const el = h("div", { class: "bands", role: "status" }, lost, rows);
  let key = "";
  return {
    el,
    tick() {
      lost.hidden = store.link !== "lost";
      if (!lost.hidden) setText(lost.querySelector("p"), t("link_lost", { span: fmtSpan((Date.now() - store.lostSince) / 1000) }));
    },
    take(view) {
      this.tick();
      const { status } = store;
      const told = [];
      if (status?.stopping) told.push(t("engine_stopping"));
      if (view !== "engine" && status?.config.problems.length) told.push(t("config_broken", { n: status.config.problems.length }));
      const others = status && view !== "engine" ? troubles(status) : [];
      if (others.length === 1) told.push(visible(others[0].message));
      else if (others.length) told.push(t("engine_troubled", { n: others.length }));
      if (!token()) told.push(t("read_only"));
      const now = JSON.stringify([told, view]);
      if (now === key) return;
      key = now;
      rows.replaceChildren(
        ...told.map((text) => {
          const way = token() && view !== "engine" && h("a", { href: "#engine", text: t("show") });
          return h("div", { class: "banner" }, icon("info"), h("p", {}, text, " ", way));
        }),
      );
    },
  };
}

/** `scrolled`: px that the first view is scrolled down to. */
function buildShell(scrolled = 0) {
  const top = header();
  const bands = banners();
  const main = h("main", { id: "main", tabindex: "-1" });
  let view = null;
  let place = scrolled;
  const skip = h("a", { class: "skip", href: "#main", text: t("skip_link"), on: { click: (e) => (e.preventDefault(), main.focus()) } });
  document.body.replaceChildren(skip, top.el, bands.el, main, speaker);

  async function show() {
    await closeDialogs(); // they belong to where one was
    const deep = /^#task\/([A-Za-z0-9_-]{1,64})$/.exec(location.hash);
    const name = viewInAddress();
    if (deep) room("./history.js").then(({ openHistory }) => openHistory(deep[1]), () => {});
    if (name !== view) {
      view = name;
      shown += 1;
      const mine = shown;
      leaveView();
      leaveView = () => {};
      main.replaceChildren();
      main.className = `view-${name}`;
      top.show(name);
      bands.take(view);
      try {
        const found = await VIEWS[name]();
        if (mine !== shown) return;
        leaveView = found.mount(main, store, announce) ?? (() => {});
        scrollTo(0, place);
        place = 0;
      } catch (error) {
        if (mine !== shown) return;
        view = null;
        main.replaceChildren(h("div", { class: "empty" }, h("p", { text: t("view_failed") }), h("p", { class: "muted", text: visible(error.message) }), button(t("try_again"), show)));
      }
    }
  }

  const take = () => {
    if (store.link === "denied") return denied();
    document.documentElement.classList.toggle("is-lost", store.link === "lost");
    top.take();
    bands.take(view);
  };
  const leave = store.on((change) => (change.status || change.link) && take());
  const clock = setInterval(() => bands.tick(), 1000);
  window.addEventListener("hashchange", show);
  show();
  take();
  return () => {
    leave();
    clearInterval(clock);
    window.removeEventListener("hashchange", show);
    leaveView();
    leaveView = () => {};
    shown += 1;
  };
}

let leaving = false;

/** The engine refuses the token: to the sign-in, but not over changes that are not saved yet. */
async function denied() {
  if (leaving) return;
  leaving = true;
  const refused = token();
  await (await closeDialogs({ denied: true }))();
  leaving = false;
  if (token() !== refused && token()) start(); // signed in elsewhere meanwhile
  else showSignin(refused ? t("signin_wrong") : "");
}

async function showSignin(told = "") {
  const states = store.loaded && !token();
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
    (await room("./signin.js")).mountSignin(document.body, told, start, states ? back : null);
  } catch {
    document.body.replaceChildren(h("div", { class: "empty" }, h("p", { text: t("err_network") }), button(t("try_again"), () => location.reload())));
  }
}

function start() {
  leaveShell();
  connect();
  leaveShell = buildShell();
}

/** Load what the first click will ask for when a hand comes near: a page that is only looked at stays small. */
function loadAhead() {
  const load = () => token() && room("./acts.js").catch(() => {});
  for (const type of ["pointermove", "pointerdown", "keydown"]) window.addEventListener(type, load, { once: true, passive: true });
}

loadAhead();
setTheme(theme());
window.addEventListener("hashchange", async () => {
  if (!(await takeTokenFromAddress())) return;
  await (await closeDialogs())();
  disconnect();
  start();
});
onDenied(() => ["live", "poll", "lost"].includes(store.link) && store.setLink("denied"));
onLang(() => {
  if (document.querySelector("main.signin")) return;
  const scrolled = scrollY;
  leaveShell();
  leaveShell = buildShell(scrolled);
  document.querySelector(".language").focus({ preventScroll: true }); // it is another one now
});
Promise.all([takeTokenFromAddress(), ready()]).then(start);
