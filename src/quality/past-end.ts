// Marks that end a turn, as templates write them. An answer that shows one has not ended where the model meant it to: the
// conversion has lost the mark's meaning, and the model goes on talking to itself.
const MARKS = [
  '<|im_end|>',
  '<|im_start|>',
  '<|endoftext|>',
  '<|end_of_text|>',
  '<|eot_id|>',
  '<|start_header_id|>',
  '<|end|>',
  '<|user|>',
  '<|assistant|>',
  '<end_of_turn>',
  '<start_of_turn>',
  '</s>',
  '[INST]',
  '[/INST]',
] as const;

// A line that speaks for the other side, after an answer has been given. "Q:" and names stand in good dialogues.
const OTHER_SIDE = /^\s*(?:(User|Human): ?\S|### ?(Instruction|Input|User|Human)\b)/;

/**
 * What shows that an answer went on past its end: a turn's mark, or a line in which the model asks itself the next
 * question. Undefined for an answer that shows neither. Marks inside code do not count: an answer may be about them.
 */
export function findPastEnd(text: string): string | undefined {
  const prose = text.replace(/```[\s\S]*?(?:```|$)/g, 'code').replace(/`[^`\n]*`/g, 'code');
  const mark = MARKS.find((one) => prose.includes(one));
  if (mark !== undefined) return mark;
  const [, ...later] = prose.split('\n').filter((line) => line.trim() !== '');
  for (const line of later) {
    const match = OTHER_SIDE.exec(line);
    if (match !== null) return match[1] ?? match[2];
  }
  return undefined;
}
