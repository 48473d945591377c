/** The token prompt. */
import { call, setToken, token } from "./api.js";
import { button, h, icon } from "./dom.js";
import { failure } from "./failure.js";
import { lang, setLang, t } from "./i18n.js";

/**
 * Fill `body` with the prompt; `told`: why it is shown; `done()` is called once the engine took the token; `back()`
 * leads to what may be seen without one, or is null.
 */
export function mountSignin(body, told, done, back = null) {
  const input = h("input", { type: "password", id: "token", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "signin-hint signin-told" });
  const message = h("p", { id: "signin-told", class: "field-error", role: "alert", text: told });
  const submit = h("button", { type: "submit", class: "button primary", text: t("signin_title") });
  const language = h("button", { type: "button", class: "button quiet", lang: lang() === "zh" ? "en" : "zh-CN", text: t("language") });
  language.addEventListener("click", () => {
    setLang(lang() === "zh" ? "en" : "zh");
    mountSignin(body, told && t("signin_wrong"), done, back);
  });
  const form = h(
    "form",
    { class: "signin-card" },
    h("h1", {}, icon("brand", "brand-mark"), "minisched"),
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
    const before = token();
    const typed = input.value.trim();
    setToken(/^.*#token=(.+)$/.exec(typed)?.[1] ?? typed); // the whole address is as good
    try {
      await call("GET", "/status");
      done();
    } catch (error) {
      setToken(before);
      message.textContent = error.status === 401 || error.status === 0 && error.code === "network" && /header|ByteString|ISO-8859-1/i.test(error.message) ? t("signin_wrong") : failure(error);
      submit.disabled = false;
      input.focus();
      input.select();
    }
  });
  const states = back && button(t("signin_back"), back, { icon: "left", kind: "quiet" });
  body.replaceChildren(h("main", { class: "signin" }, form, states, language));
  document.title = "minisched";
  input.focus();
}
