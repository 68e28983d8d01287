// An answer with what was found in it: the places of findings and of quotes are marked and numbered.

// Collects the places while checks and judges are laid out; each gets a number that leads to its mark.
const newPlaces = (text) => ({ text, values: jsonPlaces(text), marks: [] });

const numbered = (places, kind, span, title) => {
  if (!span || span[0] >= span[1]) return null;
  const number = places.marks.length + 1;
  const leads = el("button", { type: "button", class: `leads ${kind}`, "aria-label": `Show place ${number} in the answer` }, String(number));
  const entry = { kind, span, title, number, node: null };
  places.marks.push(entry);
  leads.addEventListener("click", () => {
    if (!entry.node) return;
    entry.node.scrollIntoView({ block: "center" });
    entry.node.focus({ preventScroll: true });
  });
  return leads;
};
const findingPlace = (places, [message, pointer, , got]) => {
  const span = pointer ? placeOf(places.values, pointer) : placeOfMatch(places.text, got);
  return numbered(places, "finding", span, message);
};
const quotePlace = (places, quote) => numbered(places, "evidence", placeOfQuote(places.text, quote), "quoted by a judge");

// Marks may lie in each other or overlap: the text is cut wherever one begins or ends.
const marked = ({ text, marks }) => {
  const cuts = [...new Set([0, text.length, ...marks.flatMap(({ span }) => span)])].sort((a, b) => a - b);
  return cuts.slice(0, -1).flatMap((begin, index) => {
    const end = cuts[index + 1];
    const piece = text.slice(begin, end);
    const within = marks.filter(({ span }) => span[0] <= begin && end <= span[1]);
    if (!within.length) return [piece];
    const starting = within.filter(({ span }) => span[0] === begin);
    const kinds = [...new Set(within.map(({ kind }) => kind))].join(" ");
    const title = within.map((one) => one.title).join("; ");
    const node = el("mark", { class: kinds, title, tabindex: "-1" },
      ...starting.map(({ number }) => el("sup", {}, String(number))), piece);
    for (const entry of starting) entry.node = node;
    return [node];
  });
};
