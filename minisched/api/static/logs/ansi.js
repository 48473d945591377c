/**
 * Colours and progress bars of output. The engine escapes control characters, so that a sequence of them begins with the
 * text "\x1b" here, and what is made of it is a class of an element, never more.
 */

// Of a sequence the parameters of the style are used; all else is left out: the others of CSI, titles and links (OSC)
// that have an end, and sequences of two or three characters.
const SEQUENCE = /\\x1b(?:\[([\d;:]*)m|\[[0-?]*[ -/]*[@-~]|\](?:(?!\\x1b|\\x07).)*(?:\\x07|\\x1b\\)|[ -/]*(?!\\[xuU])[0-~])/g;
const PLAIN = { colour: -1, ground: -1, bold: false, line: false, inverse: false };
// How far a step of a progress bar is: a percentage, or "3/10" beside a bar.
const PERCENT = /(?:^|[^\d.])(\d{1,3}(?:\.\d+)?) ?%/;
const COUNT = /(\d+)\/(\d+)/;
const BAR = /[#=█▓▒░■━-]{3}/;
// Fewer steps are shown as they are.
const STEPS_MIN = 3;

/** A text without the sequences. */
export const withoutSequences = (text) => (text.includes("\\x1b") ? text.replace(SEQUENCE, "") : text);

/**
 * The parts of a text as [text, class], without sequences, and the style at its end. `style`: that at its start, null for
 * none.
 */
export function styledParts(text, style = null) {
  if (!style && !text.includes("\\x1b")) return { parts: [[text, ""]], style };
  const parts = [];
  const add = (part) => part && parts.push([part, classOf(style)]);
  let at = 0;
  for (const found of text.matchAll(SEQUENCE)) {
    add(text.slice(at, found.index));
    at = found.index + found[0].length;
    if (found[1] !== undefined) style = changed(style ?? PLAIN, found[1]);
  }
  add(text.slice(at));
  return { parts, style };
}

/** The style after an SGR sequence with these parameters (ECMA-48, 8.3.117); null for the usual one. */
function changed(style, parameters) {
  const next = { ...style };
  const codes = parameters.split(/[;:]/).map(Number);
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i];
    const [tens, ones] = [Math.floor(code / 10), code % 10];
    if (code === 0) Object.assign(next, PLAIN);
    else if (code === 1) next.bold = true;
    else if (code === 22) next.bold = false;
    else if (code === 4 || code === 24) next.line = code === 4;
    else if (code === 7 || code === 27) next.inverse = code === 7;
    else if (tens === 3 && ones < 8) next.colour = ones;
    else if (tens === 9 && ones < 8) next.colour = ones + 8;
    else if (code === 39) next.colour = -1;
    else if (tens === 4 && ones < 8) next.ground = ones;
    else if (tens === 10 && ones < 8) next.ground = ones + 8;
    else if (code === 49) next.ground = -1;
    else if (code === 38 || code === 48) {
      // Of the 256 colours only the first 16 are known, of others only how long they are.
      const known = codes[i + 1] === 5 && codes[i + 2] < 16 ? codes[i + 2] : -1;
      next[code === 38 ? "colour" : "ground"] = known;
      i += codes[i + 1] === 5 ? 2 : 4;
    }
  }
  return classOf(next) ? next : null;
}

/** `lg-c3` sets a colour; `lg-fg` uses it for the text, `lg-bg` behind a text in the colour of the page. */
function classOf(style) {
  if (!style) return "";
  const { colour, ground, bold, line, inverse } = style;
  const [front, back] = inverse ? [ground, colour] : [colour, ground];
  const behind = inverse || back >= 0;
  const shown = behind ? back : front;
  return [shown >= 0 && `lg-c${shown}`, behind ? "lg-bg" : shown >= 0 && "lg-fg", bold && "lg-bold", line && "lg-under"].filter(Boolean).join(" ");
}

/** The step of a progress bar that a line shows, {shape, done}, or null. Steps of one bar have the same shape. */
export function stepOf(line) {
  const percent = PERCENT.exec(line);
  const count = !percent && BAR.test(line) && COUNT.exec(line);
  if (!percent && !count) return null;
  return { shape: line.replace(/[^\p{L}]+/gu, " ").trim(), done: percent ? Number(percent[1]) : count[1] / count[2] };
}

/**
 * Which of the rows, each with a `step` as `stepOf` gives it and the `tag` of its stream, are earlier steps of a bar that
 * goes on: for each row how many it stands for, 0 for one that need not be shown.
 */
export function foldSteps(rows) {
  const counts = rows.map(() => 1);
  for (let i = 0; i < rows.length; ) {
    let end = i + 1;
    while (end < rows.length && follows(rows[end - 1], rows[end])) end += 1;
    if (end - i >= STEPS_MIN) {
      counts.fill(0, i, end - 1);
      counts[end - 1] = end - i;
    }
    i = end;
  }
  return counts;
}

/** Whether a row is the next step of the same bar. */
export const follows = (row, next) => Boolean(row.step && next.step && row.tag === next.tag && row.step.shape === next.step.shape && row.step.done <= next.step.done);
