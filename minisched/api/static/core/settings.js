/** The settings of the page, which this browser keeps. */
import { lang, setLang, t } from "../i18n/i18n.js";
import { alertsAllowed, setAlerts } from "./alerts.js";
import { notice, openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { CHOICES, choose, chosen } from "./format.js";
import { lazy } from "./lazy.js";

/**
 * Open them. theme: {get(), set(name), names}. `redraw()` shows the page again after a change. `focus`: the name of the
 * setting that has the focus.
 */
export function openSettings(theme, redraw, focus = "language") {
  const again = (name) => {
    dialog.close();
    redraw();
    openSettings(theme, redraw, name);
  };
  const select = (name, options, value, set) => {
    const attrs = { id: `set-${name}`, autofocus: name === focus, on: { change: (event) => Promise.resolve(set(event.target.value)).catch(() => {}).then(() => again(name)) } };
    const choice = h("select", attrs, options.map(([key, label]) => h("option", { value: key, text: label })));
    choice.value = value;
    return [h("label", { for: choice.id, text: t(`set_${name}`) }), choice];
  };
  const of = (name) => select(name, CHOICES[name].map((value) => [value, t(`set_${name}_${value}`)]), chosen(name), (value) => choose(name, value));
  const box = h("input", { type: "checkbox", checked: alertsAllowed(), disabled: !globalThis.Notification, "aria-describedby": "set-alerts-help" });
  box.addEventListener("change", async () => {
    const wanted = box.checked;
    box.checked = await setAlerts(wanted);
    if (wanted && !box.checked) notice(t("set_alerts_refused"), "bad");
  });
  const dialog = openDialog({
    title: t("settings"),
    kind: "question",
    actions: [{ label: t("keys"), kind: "quiet", click: () => lazy("core/palette.js").then(({ openKeys }) => openKeys(), () => {}) }, { label: t("close") }],
    body: h(
      "div",
      { class: "settings" },
      select("language", [["en", "English"], ["zh", "中文"]], lang(), setLang),
      select("theme", theme.names.map((name) => [name, t(`theme_${name}`)]), theme.get(), theme.set),
      of("zone"),
      of("times"),
      h("label", { class: "check" }, box, h("span", { text: t("set_alerts") })),
      h("p", { class: "muted small", id: "set-alerts-help", text: t(globalThis.Notification ? "set_alerts_help" : "set_alerts_none") }),
    ),
  });
}
