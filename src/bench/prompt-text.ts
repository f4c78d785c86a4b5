/**
 * Prompts for measuring: English prose about a board and its software, in sentences shuffled by a seed, with the seed
 * itself in front, so that no two prompts share a prefix that a cache could know. Prose rather than random characters,
 * because characters per token of the latter say nothing about a user's text.
 */
export function promptText(chars: number, seed: string): string {
  const next = generator(seed);
  let text = `Note ${seed}. `;
  while (text.length < chars) text += `${SENTENCES[next() % SENTENCES.length]} `;
  return text.slice(0, chars);
}

const SENTENCES = [
  'The board has eight cores, four of them large, and they share one memory controller with the graphics unit.',
  'When the fan stops, the temperature climbs within minutes and the clock falls to half of what was promised.',
  'A measurement without the state of the machine beside it is a rumour, however many digits it has.',
  'Please explain how the scheduler decides which of the waiting requests goes first, and what happens to the others.',
  'The log shows that the process was started twice, although the lock file had been written by the first one.',
  'Reading the model from the card takes half a minute, from the drive two seconds, and from memory no time at all.',
  'She rewrote the parser in an afternoon and spent the following week on the error messages.',
  'Summarise the report in three sentences and name the two figures that changed since last month.',
  'If the answer is longer than the window allows, the oldest part of the conversation has to go.',
  'Most of the time is spent waiting for memory, so a faster processor would change less than one would think.',
  'The function returns the first element that is not smaller than the key, or the end of the list.',
  'It rained all night, and in the morning the path along the river had become a part of it.',
  'We compared the two builds on the same afternoon, one after the other, with the window closed.',
  'Write a short letter to the supplier and ask why the second delivery contained fewer parts than the first.',
  'Every queue needs a bound, and every bound needs a sentence that tells the client what to do about it.',
  'The old cable worked, the new one did not, and nobody had thought of trying a third.',
];

/** A small generator over the seed's characters (FNV-1a, then a 32-bit congruence): the same seed, the same text. */
function generator(seed: string): () => number {
  let state = 0x811c9dc5;
  for (const character of seed) state = Math.imul(state ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    // The upper bits: the lowest ones of such a generator repeat after a few steps.
    return state >>> 16;
  };
}
