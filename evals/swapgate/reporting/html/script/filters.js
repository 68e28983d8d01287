// Which trials are shown. All filters but the text are answered by the index; a text is looked for part by part.
const matches = (trial, wanted) =>
  (wanted.filter === "all" || trial.standing === wanted.filter || (wanted.filter === "missed" && trial.standing === "blind")) &&
  (!wanted.model || trial.model === wanted.model) &&
  (!wanted.suite || trial.suite === wanted.suite) &&
  (!wanted.tag || trial.tags.includes(wanted.tag)) &&
  (!wanted.flip || (wanted.flip === "any" ? trial.flip !== "" : trial.flip === wanted.flip));

// What was looked through stays at hand, as far as memory allows.
const KEPT_CHARS = 100_000_000;
let keptChars = 0;
const wordsOf = (body, trial) =>
  [
    `${trial.suite}/${trial.case}`,
    trial.reason,
    body.response ?? "",
    body.expected,
    ...(body.error ?? []),
    ...body.messages.map(([, text]) => text),
    ...body.checks.flatMap(([name, , , findings]) => [name, ...findings.flat()]),
    ...body.verdicts.flatMap(({ reason, samples }) => [reason, ...samples.flatMap(({ reasoning, problem }) => [reasoning, problem])]),
  ].join("\n").toLowerCase();
const keep = (trial, words) => {
  if (keptChars < KEPT_CHARS) {
    trial.words = words;
    keptChars += words.length;
  }
  return words;
};
const holding = async (trials, wanted) => {
  const unpacked = trials.every(({ words }) => words !== undefined) ? null : await part(trials[0].part);
  return trials.filter((trial) => (trial.words ?? keep(trial, wordsOf(bodyIn(unpacked, trial), trial))).includes(wanted));
};

// Returns what holds the text, in the order of the trials; null when another search has begun meanwhile.
const SLICE_MS = 40;
const search = async (trials, text, isWanted, tell) => {
  const parts = new Map();
  for (const trial of trials) {
    if (parts.has(trial.part)) parts.get(trial.part).push(trial);
    else parts.set(trial.part, [trial]);
  }
  const found = new Set();
  let done = 0;
  let last = performance.now();
  for (const inside of parts.values()) {
    for (const trial of await holding(inside, text.toLowerCase())) found.add(trial);
    done += inside.length;
    if (performance.now() - last < SLICE_MS) continue;
    tell(done, found.size);
    await new Promise((go) => setTimeout(go));
    if (!isWanted()) return null;
    last = performance.now();
  }
  return trials.filter((trial) => found.has(trial));
};
