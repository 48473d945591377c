/** The sign-in form, which asks for the token. */
import { lang, setLang, t } from "../i18n/i18n.js";
import { ApiError, prove, setToken } from "./api.js";
import { button, h, icon } from "./dom.js";
import { errorText } from "./error_text.js";
import { machine } from "./store.js";

/**
 * Fill `body` with the form. `reason`: why it is shown, or "". `done()` is called when the engine has accepted the token.
 * `back()` leads to the view without a token; null if there is none.
 */
export function mountSignin(body, reason, done, back = null) {
  const input = h("input", { type: "password", id: "token", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "signin-hint signin-error" });
  const message = h("p", { id: "signin-error", class: "field-error", role: "alert", text: reason });
  const submit = h("button", { type: "submit", class: "button primary", text: t("signin_title") });
  const language = h("button", { type: "button", class: "button quiet", lang: lang() === "zh" ? "en" : "zh-CN", text: t("language") });
  language.addEventListener("click", async () => {
    await setLang(lang() === "zh" ? "en" : "zh");
    mountSignin(body, reason && t("err_unproven"), done, back);
  });
  const form = h(
    "form",
    { class: "signin-card" },
    h("h1", {}, icon("brand", "brand-mark"), "minisched"),
    machine() && h("p", { class: "muted", text: machine() }),
    h("p", { class: "muted", id: "signin-hint", text: t("signin_hint") }),
    h("label", { for: "token", text: t("signin_token") }),
    input,
    message,
    submit,
    h("p", { class: "muted small", text: t("signin_kept") }),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    const typed = input.value.trim();
    // The whole address with the token in it is accepted too.
    const entered = /^.*#token=(.+)$/.exec(typed)?.[1] ?? typed;
    try {
      // A header can hold no other characters.
      if (!/^[!-~]+$/.test(entered)) throw new ApiError(0, "unproven", "");
      setToken(entered, await prove(entered));
      done();
    } catch (error) {
      message.textContent = errorText(error);
      submit.disabled = false;
      input.focus();
      input.select();
    }
  });
  const toStates = back && button(t("signin_back"), back, { icon: "left", kind: "quiet" });
  body.replaceChildren(h("main", { class: "signin" }, form, toStates, language));
  document.title = [machine() && `${machine()} –`, "minisched"].filter(Boolean).join(" ");
  input.focus();
}
