// Which trials are shown. All filters but the text are answered by the index; a text is looked for part by part.
const matches = (trial, wanted) =>
  (wanted.filter === "all" || trial.standing === wanted.filter || (wanted.filter === "missed" && trial.standing === "blind")) &&
  (!wanted.model || trial.model === wanted.model) &&
  (!wanted.suite || trial.suite === wanted.suite) &&
  (!wanted.tag || trial.tags.includes(wanted.tag)) &&
  (!wanted.flip || (wanted.flip === "any" ? trial.flip !== "" : trial.flip === wanted.flip));

// What was looked through stays at hand, as far as memory allows.
const KEPT_CHARS = 64_000_000;
let keptChars = 0;
const wordsOf = async (trial) => {
  if (trial.words !== undefined) return trial.words;
  const body = await bodyOf(trial);
  const words = [
    `${trial.suite}/${trial.case}`,
    trial.reason,
    body.response ?? "",
    body.expected,
    ...(body.error ?? []),
    ...body.messages.map(([, text]) => text),
    ...body.checks.flatMap(([name, , , findings]) => [name, ...findings.flat()]),
    ...body.verdicts.flatMap(({ reason, samples }) => [reason, ...samples.flatMap(({ reasoning, problem }) => [reasoning, problem])]),
  ].join("\n").toLowerCase();
  if (keptChars < KEPT_CHARS) {
    trial.words = words;
    keptChars += words.length;
  }
  return words;
};

// Yields what holds the text, in the order of the trials; `isWanted` turns false once another search began.
const SLICE_MS = 40;
const search = async (trials, text, isWanted, tell) => {
  const wanted = text.toLowerCase();
  const found = new Set();
  // In the order of the parts each is unpacked once.
  const byPart = [...trials].sort((a, b) => a.part - b.part);
  let last = performance.now();
  for (const [done, trial] of byPart.entries()) {
    if ((await wordsOf(trial)).includes(wanted)) found.add(trial);
    if (performance.now() - last < SLICE_MS) continue;
    tell(done, found.size);
    await new Promise((go) => setTimeout(go));
    if (!isWanted()) return null;
    last = performance.now();
  }
  return trials.filter((trial) => found.has(trial));
};
