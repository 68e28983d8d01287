// The cases lie in the page as compressed blocks. A block's texts are data: they become text nodes alone.
const unpack = async (name) => {
  const packed = atob(document.getElementById(name).textContent);
  const bytes = Uint8Array.from(packed, (one) => one.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
};

// Parts are unpacked again when they are wanted after many others: a run of any size fits into memory.
const HELD = 40;
const held = new Map();
const part = (number) => {
  const found = held.get(number) ?? unpack(`cases-${number}`);
  held.delete(number);
  held.set(number, found);
  if (held.size > HELD) held.delete(held.keys().next().value);
  return found;
};

const STANDINGS = ["blind", "missed", "errored", "unscored", "passed"];
const trialsOf = ({ names, rows }) =>
  rows
    .map(([suite, name, model, repeat, isCandidate, standing, flip, tags, reason, where, place]) => ({
      suite: names[suite],
      case: name,
      model: names[model],
      repeat,
      isCandidate: isCandidate === 1,
      standing,
      flip,
      tags: tags.map((tag) => names[tag]),
      reason,
      part: where,
      place,
    }))
    .sort((a, b) => STANDINGS.indexOf(a.standing) - STANDINGS.indexOf(b.standing));

const bodyOf = async (trial) => {
  const { trials, texts } = await part(trial.part);
  const body = trials[trial.place];
  return {
    ...body,
    expected: body.expected === null ? "" : texts[body.expected],
    messages: body.messages.map(([role, number]) => [role, texts[number]]),
  };
};
