// One opened case: its answer with all that was said of it, what it was asked, and what the baseline answered.
const WORDS = { blind: "Blind pass", missed: "Missed", errored: "Errored", unscored: "Unscored", passed: "Passed" };
const FLIPS = { regressed: "Regressed", fixed: "Fixed" };
const linkTo = (trial) => "#case=" + [trial.suite, trial.case, trial.model, String(trial.repeat)].map(encodeURIComponent).join("/");
const again = (trial) => (trial.repeat > 1 ? ` #${trial.repeat}` : "") + (trial.isCandidate ? "" : " (baseline)");

const block = (title, ...content) => [el("h3", {}, title), pre(title, ...content)];
const minor = (title, text) => (text ? [el("h4", {}, title), pre(title, text)] : []);
const section = (title, items) => (items.length ? [el("h3", {}, title), el("ul", {}, ...items)] : []);
const passMark = (passed) => mark(passed ? "passed" : "missed", passed ? "Passed" : "Failed");

// A paragraph; what would fill screens has an edge of its own and scrolls behind it.
const LONG_CHARS = 2000;
const prose = (title, text) => {
  if (!text) return null;
  return text.length > LONG_CHARS ? pre(title, text) : el("p", { dir: "auto" }, text);
};

const findingItem = (places, finding) => {
  const [message, pointer, wanted, got] = finding;
  return el("li", {}, findingPlace(places, finding), " ", message,
    pointer && !message.startsWith(`${pointer} `) ? quiet(" at ", el("code", {}, pointer)) : null,
    wanted ? el("p", {}, "wanted ", el("code", {}, wanted)) : null,
    got ? el("p", {}, "got ", el("code", {}, got)) : null);
};
const checkItem = (places, [name, kind, passed, findings]) =>
  el("li", {}, passMark(passed), ` ${name} `, quiet(kind),
    findings.length ? el("ul", {}, ...findings.map((one) => findingItem(places, one))) : null);

const evidenceItem = (places, [quote, isVerbatim]) =>
  el("li", {}, isVerbatim ? quotePlace(places, quote) : null, " ",
    quote.length > LONG_CHARS ? pre("Quote", quote) : el("q", { dir: "auto" }, quote), " ",
    isVerbatim ? mark("passed", "verbatim") : mark("missed", "not in the answer"));
const sampleDetails = (places, one, index) =>
  el("details", {},
    el("summary", {}, `Sample ${index + 1}: ${one.status}${one.criterion ? `, ${one.criterion}` : ""}`),
    one.scores ? el("p", {}, one.scores) : null,
    prose("Problem", one.problem),
    prose("Reasoning", one.reasoning),
    ...minor("As the judge wrote it", one.raw));
const verdictMark = (verdict) => {
  if (verdict.status === "inapplicable") return quiet("Not asked");
  if (verdict.status === "unscored") return mark("unscored", WORDS.unscored);
  if (verdict.status !== "scored") return mark("errored", verdict.status === "error" ? "Errored" : "Skipped");
  return passMark(verdict.passed);
};
const lines = (texts) => (texts?.length ? el("ul", {}, ...texts.map((line) => el("li", { dir: "auto" }, line))) : null);
const verdictItem = (places, one) => {
  const quotes = new Map(one.samples.flatMap(({ evidence }) => evidence).map((quote) => [quote[0], quote]));
  return el("li", {}, verdictMark(one), ` ${one.judge} `, quiet(`by ${one.model}`),
    one.scores ? el("p", {}, one.scores) : null,
    prose("Reason", one.reason),
    quotes.size ? el("ul", { class: "quotes" }, ...[...quotes.values()].map((quote) => evidenceItem(places, quote))) : null,
    lines(one.opinions),
    one.suspicions ? el("p", {}, "In the answer, this speaks to the judge: ", one.suspicions.join("; ")) : null,
    ...(one.rival ? minor(`The answer of ${one.rival[0]} that it was compared with`, one.rival[1]) : []),
    ...one.samples.map((sample, index) => sampleDetails(places, sample, index)));
};

const answerBlocks = (body, places) => {
  if (body.response) return block("Response", ...marked(places));
  return [el("h3", {}, "Response"), el("p", { class: "quiet" }, body.response === null ? "none" : "empty")];
};
const TAGS = { out: "del", in: "ins" };
const diffDetails = (trial, body, baseline, theirs) => {
  if (!theirs.response || !body.response) return null;
  const title = `Against the answer of ${baseline.model}`;
  if (theirs.response === body.response) return el("p", {}, title, ": the same, character by character");
  const layouts = [theirs.response, body.response].map(laidOut);
  if (layouts[0] !== null && layouts[0] === layouts[1]) return el("p", {}, title, ": the same JSON, laid out in another way");
  const [before, after] = layouts.includes(null) ? [theirs.response, body.response] : layouts;
  const details = el("details", { class: "diff" }, el("summary", {}, title));
  details.addEventListener("toggle", () => {
    if (!details.open || details.children.length > 1) return;
    const pieces = diff(before, after);
    const [struck, underlined] = [el("del", {}, "struck out"), el("ins", {}, "underlined")];
    details.append(
      el("p", { class: "quiet" }, struck, ` is the answer of ${baseline.model} alone, `, underlined, ` that of ${trial.model}`,
        layouts.includes(null) ? null : "; both are JSON, laid out alike"),
      pre(title, ...pieces.map(([kind, text]) => (kind === "same" ? text : el(TAGS[kind], {}, text)))));
  });
  details.open = trial.flip !== "";
  return details;
};
const siblingItem = (trial) =>
  el("li", {}, mark(trial.standing, WORDS[trial.standing]), " ", el("a", { href: linkTo(trial) }, trial.model + again(trial)));

// A case of very many repeats has as many siblings.
const SIBLINGS = 50;
const siblings = (others) => [
  ...section("The same case", others.slice(0, SIBLINGS).map(siblingItem)),
  others.length > SIBLINGS ? el("p", { class: "quiet" }, `and ${others.length - SIBLINGS} more`) : null,
];

const caseBody = async (trial, others, address) => {
  const body = await bodyOf(trial);
  const baselines = trial.isCandidate ? others.filter((t) => !t.isCandidate && t.repeat === trial.repeat) : [];
  const diffs = await Promise.all(baselines.map(async (t) => diffDetails(trial, body, t, await bodyOf(t))));
  const places = newPlaces(body.response ?? "");
  // Laid out before the answer, which shows the places that these find.
  const checks = section("Checks", body.checks.map((one) => checkItem(places, one)));
  const verdicts = section("Judges", body.verdicts.map((one) => verdictItem(places, one)));
  return el("div", { class: "body" },
    el("p", { class: "quiet" }, body.where, " ", el("a", { href: address }, "Link to this case")),
    ...(body.error ? block(`Error: ${body.error[0]}, from ${body.error[1]}`, body.error[2]) : []),
    el("div", { class: "pair" }, el("div", {}, ...answerBlocks(body, places)),
      body.expected ? el("div", {}, ...block("Expected", body.expected)) : null),
    ...diffs,
    ...checks,
    ...verdicts,
    ...(body.messages.length ? [el("h3", {}, "Prompt as rendered"), ...body.messages.flatMap(([role, text]) => minor(role, text))] : []),
    ...siblings(others),
    el("dl", {}, ...body.numbers.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))));
};
