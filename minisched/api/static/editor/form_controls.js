/**
 * Controls for single values, by the kind of the field table.
 *
 * A control is {el, get(), set(value), fits(value)} and, if needed, `control` (the element that a label is for),
 * `focus()`, `problem()` (a message about its value, or ""), `child(name)` and `children()` (the slots of its parts), and
 * `refresh()`. `fits(value)` says whether the control can show a value.
 *
 * get() returns the value as in the config, undefined if nothing is set. A value that the user has not changed is
 * returned exactly as it was set, so that opening and saving a task changes nothing.
 */
import { h } from "../core/dom.js";
import { lang, t } from "../i18n/i18n.js";

// The API shows this instead of a secret. Sending it back keeps the secret.
export const STARS = "***";
let ids = 0;
export const newId = () => `ed${(ids += 1)}`;

/** A text {en, zh} in the page's language, without the backticks of Markdown. */
export const plainText = (pair) => ((pair && (pair[lang()] || pair.en)) || "").replaceAll("`", "");
export const json = (value) => (typeof value === "string" ? value : JSON.stringify(value));
const plain = (value) => (Array.isArray(value) && value.every((one) => typeof one === "string") ? value.join(", ") : json(value));

/** The control that build(ctx) creates; it returns the original value until the user changes it. */
export function withOriginal(ctx, build) {
  let given;
  let touched = false;
  const note = h("p", { class: "ed-note", hidden: true });
  const inner = build({
    ...ctx,
    changed() {
      touched = true;
      note.hidden = true;
      ctx.changed();
    },
  });
  inner.el.append(note);
  return {
    ...inner,
    get: () => (touched ? inner.get(given !== undefined && inner.fits(given) ? given : undefined) : given),
    set(value) {
      [given, touched] = [value, false];
      const fits = value === undefined || inner.fits(value);
      note.hidden = fits;
      note.textContent = fits ? "" : t("ed_odd_value", { value: json(value) });
      inner.set(fits ? value : undefined);
    },
  };
}

const UNITS = { duration: [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]], size: [["TB", 2 ** 40], ["GB", 2 ** 30], ["MB", 2 ** 20], ["KB", 2 ** 10], ["B", 1]] };

/** An effective value (seconds, bytes) as a user would type it. */
function asTyped(field, value) {
  if (value === null) return t("ed_nothing");
  if (!Number.isInteger(value) || !value) return plain(value);
  if (field.kind === "size") return UNITS.size.map(([unit, n]) => (value % n ? "" : `${value / n}${unit}`)).find(Boolean);
  if (field.kind !== "duration") return plain(value);
  let rest = value;
  return UNITS.duration.map(([unit, n]) => ([rest, n] = [rest % n, Math.floor(rest / n)])[1] && `${n}${unit}`).filter(Boolean).join("");
}

/** The placeholder of an empty control: the default if there is one, else an example. */
export function placeholder(field) {
  if (![undefined, null, ""].includes(field.effective)) return t("ed_default", { value: asTyped(field, field.effective) });
  const fallback = plainText(field.default_words);
  if (fallback) return t("ed_default", { value: fallback });
  if (!["null", '""', "[]", "{}"].includes(JSON.stringify(field.default ?? null))) return t("ed_default", { value: json(field.default) });
  return field.example === null || field.example === undefined ? "" : t("ed_example", { value: plain(field.example) });
}

function textInput(field, ctx, options = {}) {
  const input = h(options.lines ? "textarea" : "input", { class: "ed-input", autocomplete: "off", spellcheck: "false", placeholder: placeholder(field), ...options.attrs });
  if (options.lines) input.rows = options.rows || 2;
  else input.type = "text";
  input.addEventListener("input", () => ctx.changed());
  return input;
}

/** A text that is parsed by `read(text)`. If null is allowed and not the default, there is a box for it. */
function typed(read, fits, attrs) {
  return (field, outer) =>
    withOriginal(outer, (ctx) => {
      const input = textInput(field, ctx, { attrs });
      const el = h("div", { class: "ed-typed" }, input);
      const none = field.nullable && field.default !== null ? h("input", { type: "checkbox" }) : null;
      if (none) {
        el.append(h("label", { class: "ed-none" }, none, h("span", {}, t("ed_none"))));
        none.addEventListener("change", () => {
          input.disabled = none.checked;
          ctx.changed();
        });
      }
      return {
        el,
        control: input,
        fits: (value) => fits(value) || (value === null && none !== null),
        get() {
          if (none && none.checked) return null;
          const text = input.value.trim();
          return text === "" ? undefined : read(text);
        },
        set(value) {
          if (none) none.checked = value === null;
          input.disabled = value === null;
          input.value = value === undefined || value === null ? "" : String(value);
        },
      };
    });
}

const number = (text) => (/^-?[0-9]+(\.[0-9]+)?$/.test(text) && text.length < 16 ? Number(text) : text);
const isText = (value) => typeof value === "string";
const isScalar = (value) => isText(value) || typeof value === "number";

function text(field, outer) {
  return withOriginal(outer, (ctx) => {
    const input = textInput(field, ctx, { lines: field.multiline, rows: field.rows });
    return {
      el: h("div", {}, input),
      control: input,
      fits: (value) => isText(value) && (field.multiline || !/[\n\r]/.test(value)),
      get: () => (input.value === "" ? undefined : input.value),
      set: (value) => (input.value = value ?? ""),
    };
  });
}

function select(options, ctx) {
  const el = h("select", { class: "ed-input" }, ...options.map(([value, label]) => h("option", { value }, label)));
  el.addEventListener("change", () => ctx.changed());
  return el;
}

/** A choice; the first option is the default. `options`: [[key, value, label]]. */
function chosen(field, outer, options) {
  return withOriginal(outer, (ctx) => {
    const fallback = field.effective ?? field.default ?? null;
    const unset = field.required ? t("ed_choose") : fallback === null ? t("ed_nothing") : t("ed_default", { value: labelOf(options, fallback) });
    const el = select([["", unset], ...options.map(([key, , text]) => [key, text])], ctx);
    return {
      el: h("div", {}, el),
      control: el,
      fits: (value) => options.some(([, one]) => one === value),
      get: () => options.find(([key]) => key === el.value)?.[1],
      set: (value) => (el.value = options.find(([, one]) => one === value)?.[0] ?? ""),
    };
  });
}

const labelOf = (options, value) => options.find(([, one]) => one === value)?.[2] ?? json(value);

/** The label of a choice: its name, with an explanation if there is one. */
export function choiceLabel(field, choice) {
  const key = `ed_c_${field.name}_${choice}`;
  const meaning = t(key);
  return meaning === key ? choice : `${choice} (${meaning})`;
}

const bool = (field, ctx) => chosen(field, ctx, [["true", true, t("ed_yes")], ["false", false, t("ed_no")]]);
const choice = (field, ctx) => chosen(field, ctx, field.choices.map((one) => [one, one, choiceLabel(field, one)]));

function zone(field, ctx) {
  const control = typed((value) => value, isText, { list: "ed-zones" })(field, ctx);
  if (!field.effective && ctx.engineZone?.()) control.control.placeholder = t("ed_default", { value: ctx.engineZone() });
  if (!document.getElementById("ed-zones")) {
    const names = Intl.supportedValuesOf ? Intl.supportedValuesOf("timeZone") : [];
    document.body.append(h("datalist", { id: "ed-zones" }, ...["UTC", ...names].map((name) => h("option", { value: name }))));
  }
  return control;
}

/** A text, or where it comes from: a variable or a file. A secret is shown as stars until it is replaced. */
function secret(field, outer) {
  return withOriginal(outer, (ctx) => {
    const source = select([["text", t("ed_src_text")], ["from_env", t("ed_src_env")], ["from_file", t("ed_src_file")]], ctx);
    source.setAttribute("aria-label", t("ed_src"));
    source.classList.add("ed-source");
    const input = textInput(field, ctx, { lines: field.multiline && !field.secret, rows: 1 });
    const stars = h("span", { class: "ed-stars" }, STARS, " ", h("span", { class: "ed-muted" }, t("ed_kept")));
    const replace = h("button", { type: "button", class: "small-button" }, t("ed_replace"));
    // The value to send back while the stars are shown, else null.
    let hidden = null;
    const showStars = (value) => {
      hidden = value;
      stars.hidden = replace.hidden = hidden === null;
      input.hidden = source.hidden = hidden !== null;
    };
    replace.addEventListener("click", () => {
      showStars(null);
      input.value = "";
      input.focus();
      ctx.changed();
    });
    const el = h("div", { class: "ed-secret" }, source, input, stars, replace);
    return {
      el,
      control: input,
      focus: () => (hidden === null ? input : replace).focus(),
      fits: (value) => isText(value) || (isObject(value) && Object.keys(value).length === 1 && ["from_env", "from_file"].some((key) => isText(value[key]))),
      get() {
        if (hidden !== null) return hidden;
        if (source.value !== "text") return { [source.value]: input.value };
        return input.value === "" && !ctx.keepsEmpty ? undefined : input.value;
      },
      set(value) {
        const place = isObject(value) ? Object.keys(value)[0] : "text";
        const shown = place === "text" ? value : value[place];
        source.value = place;
        input.value = shown ?? "";
        showStars(value === STARS || shown === STARS ? value : null);
      },
    };
  });
}

export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** A template, with a list of variables to insert. If the field allows JSON, its strings are templates. */
function template(field, outer) {
  return withOriginal(outer, (ctx) => {
    const input = textInput(field, ctx, { lines: field.multiline !== false || field.json, rows: field.multiline === false ? 1 : 3 });
    const put = select([["", t("ed_variable")], ...(field.variables || []).map((name) => [name, name])], { changed() {} });
    put.setAttribute("aria-label", t("ed_variable"));
    put.classList.add("ed-put");
    put.addEventListener("change", () => {
      if (!put.value) return;
      input.setRangeText(`{{ ${put.value} }}`, input.selectionStart, input.selectionEnd, "end");
      put.value = "";
      input.focus();
      ctx.changed();
    });
    const form = field.json ? select([["text", t("ed_src_text")], ["json", t("ed_tab_json")]], ctx) : null;
    if (form) form.setAttribute("aria-label", t("ed_as"));
    const parsed = () => {
      try {
        return JSON.parse(input.value);
      } catch {
        return undefined;
      }
    };
    return {
      el: h("div", { class: "ed-template" }, h("div", { class: "ed-tools" }, form, put), input),
      control: input,
      fits: (value) => isText(value) || (field.json && isObject(value)),
      get: () => (input.value.trim() === "" ? undefined : form && form.value === "json" ? parsed() ?? input.value : input.value),
      problem: () => (form && form.value === "json" && input.value.trim() && !isObject(parsed()) ? t("ed_bad_object") : ""),
      set(value) {
        if (form) form.value = isObject(value) ? "json" : "text";
        input.value = isObject(value) ? JSON.stringify(value, null, 2) : value ?? "";
      },
    };
  });
}

/** A value of a kind that this page does not know, as JSON. */
function raw(field, outer) {
  return withOriginal(outer, (ctx) => {
    const input = textInput(field, ctx, { lines: true });
    return {
      el: h("div", {}, input),
      control: input,
      fits: () => true,
      get() {
        try {
          return input.value.trim() === "" ? undefined : JSON.parse(input.value);
        } catch {
          return input.value;
        }
      },
      set: (value) => (input.value = value === undefined ? "" : JSON.stringify(value, null, 2)),
    };
  });
}

export const SINGLE = {
  bool,
  choice,
  text,
  zone,
  secret,
  template,
  raw,
  integer: typed(number, isScalar, { inputmode: "numeric" }),
  number: typed(number, isScalar, { inputmode: "decimal" }),
  duration: typed(number, isScalar),
  size: typed(number, isScalar),
  schedule: typed((value) => value, isText, { list: "ed-schedules" }),
};
