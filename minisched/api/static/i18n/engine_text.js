/**
 * Renders texts of the engine: a code with values, such as {code: "notify.http_status", status: 404}. Used by i18n.js,
 * which loads this module with the first text.
 *
 * The templates are those of the engine's own catalogue. The server generates a module for each of its areas; the area is
 * the part of a code before the dot.
 */
import { TEXTS } from "./catalogue/first_view.js";
import { lang } from "./i18n.js";

// {name} or {name|one|many}
const PART = /\{(\w+)(?:\|([^{}|]*)\|([^{}|]*))?\}/g;

// code -> [English, Chinese]. Those of the first view are not in the modules of the areas.
const templates = { ...TEXTS };
const loadedAreas = new Set();

const isText = (value) => typeof value?.code === "string";
// As in minisched.catalogue: what is before the dot of a code, if it is one of these.
const AREAS = ["notify", "config"];
const areaOf = (code) => AREAS.find((area) => code.startsWith(`${area}.`)) ?? "runs";

/** The areas of all texts in a JSON value. */
function areasIn(value, found = new Set()) {
  if (isText(value)) found.add(areaOf(value.code));
  if (value && typeof value === "object") for (const part of Object.values(value)) areasIn(part, found);
  return found;
}

/** Load the templates of all texts in a JSON value. Resolves to whether there are new ones. Never rejects. */
export async function loadTemplates(data) {
  const missing = [...areasIn(data)].filter((area) => !loadedAreas.has(area));
  const load = async (area) => {
    Object.assign(templates, (await import(`./catalogue/${area}.js`)).TEXTS);
    loadedAreas.add(area);
  };
  await Promise.all(missing.map((area) => load(area).catch(() => {})));
  return missing.length > 0;
}

/** A text in the page's language; "" before its templates are loaded, its code if there is none. */
export function render(text) {
  if (!loadedAreas.has(areaOf(text.code))) return "";
  return filled(templates[text.code]?.[lang() === "zh" ? 1 : 0] ?? text.code, text);
}

/** Put values into a template, by the same rules as `minisched.catalogue`. */
export function filled(template, values) {
  return template.replace(PART, (whole, name, one, many) => {
    if (!Object.hasOwn(values, name)) return whole;
    if (many !== undefined) return values[name] === 1 ? one : many;
    return shown(values[name]);
  });
}

function shown(value) {
  if (isText(value)) return render(value);
  if (Array.isArray(value)) return value.map(shown).join(lang() === "zh" ? "、" : ", ");
  if (typeof value === "number" && !Number.isInteger(value)) return oneDecimal(value);
  return String(value);
}

/** Python rounds a tie to the even digit, toFixed away from zero. They differ for fractions of exactly .25 only. */
function oneDecimal(value) {
  return (Math.abs(value) % 1 === 0.25 ? value - Math.sign(value) * 0.05 : value).toFixed(1);
}
