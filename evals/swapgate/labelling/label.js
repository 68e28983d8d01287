"use strict";
// Everything a model wrote goes in by textContent, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const place = { note: document.getElementById("note"), annotator: document.getElementById("annotator") };
  const store = "swapgate-label-" + data.key;
  const state = { annotator: "", answers: {}, ...remembered() };
  // Scores given so far of the item on show, by criterion.
  let scores = {};
  let at = nextOpen(0) ?? 0;

  function remembered() {
    try {
      return JSON.parse(localStorage.getItem(store) || "{}");
    } catch {
      return {};
    }
  }

  function remember() {
    try {
      localStorage.setItem(store, JSON.stringify(state));
    } catch {
      warn("This browser does not keep answers: download them before you close the page.");
    }
  }

  function warn(text) {
    const shown = document.getElementById("warning");
    shown.textContent = text;
    shown.hidden = !text;
  }

  function nextOpen(start) {
    const order = [...data.items.keys()];
    const found = [...order.slice(start), ...order.slice(0, start)].find((i) => !state.answers[data.items[i].id]);
    return found === undefined ? null : found;
  }

  function element(name, text, kind) {
    const made = document.createElement(name);
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  }

  function show() {
    const item = data.items[at];
    const answer = state.answers[item.id];
    const main = document.getElementById("item");
    const parts = [...item.inputs.map(([name, text]) => ["Input: " + name, text])];
    if (item.reference !== null) parts.push(["Reference", item.reference]);
    parts.push(["Answer", item.answer]);
    main.replaceChildren(
      ...parts.flatMap(([title, text]) => [element("h2", title), focusable(element("pre", text || "(nothing)"), title)]),
      element("h2", "Question"),
      element("p", data.question.lines.join("\n"), "question"),
    );
    scores = { ...(answer ? answer.truth_scores || {} : {}) };
    place.note.value = answer ? answer.note || "" : "";
    buttons(answer);
    progress();
  }

  function focusable(pre, title) {
    // A text that scrolls must be within reach of the keyboard.
    pre.tabIndex = 0;
    pre.setAttribute("role", "region");
    pre.setAttribute("aria-label", title);
    return pre;
  }

  function progress() {
    const done = data.items.filter((item) => state.answers[item.id]).length;
    const left = data.items.length - done;
    document.getElementById("progress").textContent =
      `${at + 1} of ${data.items.length}, ${left} left` + (left ? "" : ": all answered, download the labels");
  }

  function button(text, key, isPressed, act, kind) {
    const made = element("button", text, kind);
    made.type = "button";
    made.setAttribute("aria-keyshortcuts", key);
    made.setAttribute("aria-pressed", String(isPressed));
    made.addEventListener("click", act);
    return made;
  }

  function buttons(answer) {
    const group = document.getElementById("answers");
    const truth = answer ? answer.truth : null;
    const made = [];
    if (data.question.asked === "verdict") {
      for (const word of ["pass", "fail"]) {
        made.push(button(word, word[0], truth === word, () => give({ truth: word }), word));
      }
    } else {
      for (const part of data.question.parts) made.push(...scoreButtons(part));
    }
    made.push(button("skip", "s", truth === "skip", () => give({ truth: "skip" })));
    made.push(button("back", "b", false, () => move(-1)));
    group.replaceChildren(...made);
  }

  function choices(part) {
    if (part.scale === null) return [["fail", 0], ["pass", 1]];
    const [low, high] = part.scale;
    return Array.from({ length: high - low + 1 }, (_, i) => [String(low + i), low + i]);
  }

  function keyed(part, key) {
    // Scores of two digits have no key of their own.
    return choices(part).find(([text]) => (part.scale === null ? text[0] : text) === key);
  }

  function scoreButtons(part) {
    const label = element("span", part.name);
    return [
      label,
      ...choices(part).map(([text, score]) =>
        button(text, text[0], scores[part.name] === score, () => giveScore(part, score)),
      ),
    ];
  }

  function giveScore(part, score) {
    scores[part.name] = score;
    if (data.question.parts.every((one) => one.name in scores)) give({ truth_scores: { ...scores } });
    else buttons(state.answers[data.items[at].id]);
  }

  function give(answer) {
    const note = place.note.value.trim();
    state.answers[data.items[at].id] = note ? { ...answer, note } : answer;
    remember();
    at = nextOpen(at + 1) ?? at;
    show();
  }

  function move(by) {
    at = Math.min(Math.max(at + by, 0), data.items.length - 1);
    show();
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.tagName === "INPUT") {
      if (event.key === "Escape" || event.key === "Enter") event.target.blur();
      return;
    }
    const key = event.key.toLowerCase();
    const asked = data.question.asked;
    const open = data.question.parts.find((part) => !(part.name in scores)) || data.question.parts[0];
    if (asked === "verdict" && (key === "p" || key === "f")) give({ truth: key === "p" ? "pass" : "fail" });
    else if (asked === "scores" && keyed(open, key)) giveScore(open, keyed(open, key)[1]);
    else if (key === "s") give({ truth: "skip" });
    else if (key === "b" || key === "arrowleft") move(-1);
    else if (key === "arrowright") move(1);
    else if (key === "n") place.note.focus();
    else return;
    event.preventDefault();
  }

  function rows() {
    return data.items
      .filter((item) => state.answers[item.id])
      .map((item) => JSON.stringify({ item: item.id, annotator: state.annotator, ...state.answers[item.id] }) + "\n");
  }

  function download() {
    state.annotator = place.annotator.value.trim();
    if (!state.annotator) {
      warn("Write your name first: every label says whose it is.");
      place.annotator.focus();
      return;
    }
    warn("");
    remember();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(rows(), { type: "application/jsonl" }));
    link.download = `${data.judge}.answers.jsonl`;
    link.click();
    URL.revokeObjectURL(link.href);
  }

  function keepNote() {
    const answer = state.answers[data.items[at].id];
    if (!answer) return;
    const { note: _before, ...rest } = answer;
    const note = place.note.value.trim();
    state.answers[data.items[at].id] = note ? { ...rest, note } : rest;
    remember();
  }

  place.annotator.value = state.annotator;
  place.annotator.addEventListener("change", () => {
    state.annotator = place.annotator.value.trim();
    remember();
  });
  place.note.addEventListener("change", keepNote);
  document.getElementById("download").addEventListener("click", download);
  document.addEventListener("keydown", onKey);
  show();
})();
