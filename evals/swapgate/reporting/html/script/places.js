// Where things stand in an answer's text: the values of its JSON by their pointers, and what a judge quotes.

// A reader that takes what is there: prose around the JSON, faults in it, an end in the middle of a value.
const TOKEN = /\s*(?:([{}[\],:])|"((?:[^"\\]|\\[^])*)(?:"|$)|([^\s{}[\],:"]+))/y;
const DEEPEST = 100;

const jsonFrom = (text, start) => {
  const places = new Map();
  const open = [];
  const place = (begin, end) => {
    const within = open.at(-1);
    if (within && open.length < DEEPEST) places.set(pointerOf(within), [begin, end]);
  };
  TOKEN.lastIndex = start;
  for (let found = TOKEN.exec(text); found; found = TOKEN.exec(text)) {
    const [whole, sign, string, literal] = found;
    const end = TOKEN.lastIndex;
    const begin = end - whole.trimStart().length;
    const within = open.at(-1);
    if (sign === "{" || sign === "[") {
      open.push({ pointer: within ? pointerOf(within) : "", begin, isObject: sign === "{", key: null, index: 0 });
    } else if (sign === "}" || sign === "]") {
      const closed = open.pop();
      place(closed.begin, end);
      if (!open.length) return { places, start, end };
    } else if (sign === ",") {
      within.key = null;
      within.index += 1;
    } else if (string !== undefined && within.isObject && within.key === null) {
      within.key = unquoted(string);
    } else if (string !== undefined || literal !== undefined) {
      place(begin, end);
    }
  }
  while (open.length) place(open.pop().begin, text.length);
  return { places, start, end: text.length };
};
const pointerOf = ({ pointer, isObject, key, index }) =>
  `${pointer}/${isObject ? String(key).replaceAll("~", "~0").replaceAll("/", "~1") : index}`;
const unquoted = (string) => {
  try {
    return JSON.parse(`"${string}"`);
  } catch {
    return string;
  }
};

// The longest object or array is taken for the answer, as a reader would.
const jsonPlaces = (text) => {
  let longest = { places: new Map(), start: 0, end: 0 };
  const begins = /[{[]/g;
  for (let found = begins.exec(text); found; found = begins.exec(text)) {
    const one = jsonFrom(text, found.index);
    if (one.end - one.start > longest.end - longest.start) longest = one;
    begins.lastIndex = one.end;
  }
  return longest.places;
};

// What is missing has no place: then what it is missing in is shown.
const placeOf = (places, pointer) => {
  for (let path = pointer; path; path = path.slice(0, path.lastIndexOf("/"))) {
    if (places.has(path)) return places.get(path);
  }
  return null;
};

// A check of the text says the character; JavaScript counts some characters as two.
const placeOfMatch = (text, got) => {
  const found = /^'([^]*)' at (\d+)$/.exec(got);
  if (!found) return null;
  const begin = [...text.slice(0, 2 * Number(found[2]))].slice(0, Number(found[2])).join("").length;
  return text.startsWith(found[1], begin) && found[1] ? [begin, begin + found[1].length] : null;
};

// A quote is found as written or inside a JSON text, where quotes and line ends are escaped.
const QUOTE_CHARS = 2000;
const placeOfQuote = (text, quote) => {
  const wanted = quote.trim();
  if (!wanted || wanted.length > QUOTE_CHARS) return null;
  const pattern = wanted.split(/\s+/).map((word) => [...word].map(inJson).join("")).join("(?:\\s|\\\\[nrt])+");
  const found = new RegExp(pattern, "u").exec(text);
  return found ? [found.index, found.index + found[0].length] : null;
};
const inJson = (character) => {
  if (character === '"') return '\\\\?"';
  const plain = character.replace(/[$()*+.?[\]\\^{|}/]/, "\\$&");
  if (character === "\\" || character === "/") return `\\\\?${plain}`;
  if (character.charCodeAt(0) < 0x80) return plain;
  const units = [...Array(character.length).keys()].map((i) => `\\\\u${anyCase(character.charCodeAt(i))}`);
  return `(?:${plain}|${units.join("")})`;
};
const anyCase = (code) =>
  code.toString(16).padStart(4, "0").replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);
