import { readFileSync } from 'node:fs';

/** One good answer: `id` for people, `language` as ISO 639-1, `kind` of task. */
export type GoodAnswer = {
  readonly id: string;
  readonly language: string;
  readonly kind: string;
  readonly text: string;
};

/**
 * Reads a file of answers that each begin with a line `=== id language kind`. Throws for a head that is not of this
 * form, with its line.
 */
export function readGoodAnswers(path: string): readonly GoodAnswer[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  const answers: { id: string; language: string; kind: string; lines: string[] }[] = [];
  for (const [index, line] of lines.entries()) {
    if (!line.startsWith('=== ')) {
      answers.at(-1)?.lines.push(line);
      continue;
    }
    const [, id, language, kind] = /^=== (\S+) ([a-z]{2}) (\S+)$/.exec(line) ?? [];
    if (id === undefined || language === undefined || kind === undefined) {
      throw new Error(`${path}:${index + 1}: expected "=== id language kind", found "${line}"`);
    }
    answers.push({ id, language, kind, lines: [] });
  }
  return answers.map(({ lines: body, ...head }) => ({ ...head, text: body.join('\n').trim() }));
}
