// The cases lie in the page as compressed blocks. A block's texts are data: they become text nodes alone.
const unpack = async (name) => {
  const bytes = bytesOf(document.getElementById(name).textContent);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
};
const bytesOf = (base64) => {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const packed = atob(base64);
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i += 1) bytes[i] = packed.charCodeAt(i);
  return bytes;
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

const bodyOf = async (trial) => bodyIn(await part(trial.part), trial);
const bodyIn = ({ trials, texts }, trial) => {
  const body = trials[trial.place];
  return {
    ...body,
    expected: body.expected === null ? "" : texts[body.expected],
    messages: body.messages.map(([role, number]) => [role, texts[number]]),
  };
};
