/** Failed API requests as text, and the place where it is shown. */
import { h, visible } from "./dom.js";
import { has, listed, localized, t } from "../i18n/i18n.js";
import { store } from "./store.js";

/** An ApiError as a sentence. */
export function errorText(error) {
  // A broken config file counts as changed until it is fixed: the advice to try again would be wrong.
  if (error.code === "config_changed" && store.status?.config.problems.length) return t("err_409_config_broken");
  for (const key of [`err_${error.status}_${error.code}`, `err_${error.code}`, `err_${error.status}`]) {
    if (has(key)) return t(key, { names: listed(error.dependents) });
  }
  return t("err_other", { message: visible(localized(error)) });
}

/** A place for an error, hidden until there is one. */
export const errorLine = () => h("p", { class: "field-error", role: "alert", hidden: true });
