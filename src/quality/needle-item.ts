import type { EvalItem } from './item.ts';

/** Sentences of the haystack: about one subject each, none with a number or a name of a place. */
const HAY = [
  'The gardener watered the beans and looked at the sky for a while.',
  'Nobody had wound the old clock in the hall since the end of summer.',
  'A cart with apples stood at the corner, and the horse was asleep.',
  'She wrote the letter twice and burnt the first one in the stove.',
  'Behind the mill the path turned left and disappeared between the trees.',
  'The soup was too hot, so they talked about the weather instead.',
  'In the evening the swallows flew so low that they almost touched the grass.',
  'He mended the fence with wire because there were no nails left.',
] as const;

/**
 * A fact hidden at a share (0..1) of a long text, and the question for it: finds models that forget what they have read.
 * `promptChars` is about the length of the text in UTF-16 units; give what the context holds at the model's own ratio.
 */
export function needleItem(promptChars: number, share: number): EvalItem {
  const percent = Math.round(share * 100);
  // Four digits that no model can guess, different at each place.
  const code = 1000 + ((percent * 7919) % 9000);
  const before = hay(Math.max(0, promptChars * share), 0);
  const after = hay(Math.max(0, promptChars * (1 - share)), 3);
  return {
    id: `needle-${percent}`,
    task: 'qa',
    messages: [
      {
        role: 'user',
        content: `${before} The code of the cellar door is ${code}. ${after}\n\nWhat is the code of the cellar door? Answer with the number only.`,
      },
    ],
    maxTokens: 12,
    check: { kind: 'number', value: code },
  };
}

function hay(chars: number, from: number): string {
  const sentences: string[] = [];
  let length = 0;
  for (let at = from; length < chars; at += 1) {
    const sentence = HAY[(at * 3) % HAY.length] ?? HAY[0];
    sentences.push(sentence);
    length += sentence.length + 1;
  }
  return sentences.join(' ');
}
