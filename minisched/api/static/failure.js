/** What the engine refuses, or could not do, in words. */
import { visible } from "./dom.js";
import { has, said, t, translated } from "./i18n.js";
import { store } from "./store.js";

/** An ApiError as a sentence. */
export function failure(error) {
  // A broken file counts as changed, and stays so: to try again would not help.
  if (error.code === "config_changed" && store.status?.config.problems.length) return t("err_409_config_broken");
  for (const key of [`err_${error.status}_${error.code}`, `err_${error.code}`, `err_${error.status}`]) {
    if (has(key)) return t(key, { names: error.dependents.join(", ") });
  }
  return t("err_other", { message: visible(translated(said(error))) });
}
