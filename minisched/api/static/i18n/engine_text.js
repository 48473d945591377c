/**
 * Renders texts of the engine: a code with values, such as {code: "notify.http_status", status: 404}. Used by i18n.js,
 * which loads this module with the first text. `templateOf(code)`: the template in a language, "en" or "zh", from the
 * engine's own catalogue; undefined if there is none.
 */

// {name} or {name|one|many}
const PART = /\{(\w+)(?:\|([^{}|]*)\|([^{}|]*))?\}/g;

const isText = (value) => typeof value?.code === "string";

/** A text; its code if there is no template. */
export function render(text, templateOf, language) {
  return filled(templateOf(text.code) ?? text.code, text, templateOf, language);
}

/** Put values into a template, by the same rules as `minisched.catalogue`. */
export function filled(template, values, templateOf, language) {
  const shown = (value) => {
    if (isText(value)) return render(value, templateOf, language);
    if (Array.isArray(value)) return value.map(shown).join(language === "zh" ? "、" : ", ");
    if (typeof value === "number" && !Number.isInteger(value)) return oneDecimal(value);
    return String(value);
  };
  return template.replace(PART, (whole, name, one, many) => {
    if (!Object.hasOwn(values, name)) return whole;
    if (many !== undefined) return values[name] === 1 ? one : many;
    return shown(values[name]);
  });
}

/** Python rounds a tie to the even digit, toFixed away from zero. They differ for fractions of exactly .25 only. */
function oneDecimal(value) {
  return (Math.abs(value) % 1 === 0.25 ? value - Math.sign(value) * 0.05 : value).toFixed(1);
}
