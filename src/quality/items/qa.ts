import type { EvalItem } from '../item.ts';

const choice = (id: string, question: string, options: readonly string[], answer: string): EvalItem => ({
  id: `qa-${id}`,
  task: 'qa',
  messages: [
    {
      role: 'user',
      content: `${question}\n${options.map((option, index) => `${'ABCD'[index]}) ${option}`).join('\n')}\nAnswer with the letter only.`,
    },
  ],
  maxTokens: 8,
  check: { kind: 'exact', answers: [answer] },
});

const short = (id: string, question: string, answers: readonly string[]): EvalItem => ({
  id: `qa-${id}`,
  task: 'qa',
  messages: [{ role: 'user', content: `${question} Answer with one word only.` }],
  maxTokens: 12,
  check: { kind: 'exact', answers },
});

/** General knowledge with the answer's form prescribed: what a small model should know, and obey. */
export const QA_ITEMS: readonly EvalItem[] = [
  choice('planet', 'Which planet is closest to the Sun?', ['Venus', 'Mercury', 'Mars', 'Earth'], 'B'),
  choice('boil', 'At sea level, water boils at', ['50 °C', '75 °C', '90 °C', '100 °C'], 'D'),
  choice('port', 'Which TCP port does HTTPS use by default?', ['443', '80', '22', '25'], 'A'),
  choice('organ', 'Which organ pumps blood through the body?', ['Liver', 'Lung', 'Heart', 'Kidney'], 'C'),
  choice('continent', 'On which continent is Kenya?', ['Asia', 'Africa', 'Europe', 'South America'], 'B'),
  choice('triangle', 'The angles of a triangle add up to', ['90°', '360°', '180°', '270°'], 'C'),
  choice('de-meer', 'An welchem Meer liegt Kiel?', ['Ostsee', 'Nordsee', 'Mittelmeer', 'Adria'], 'A'),
  short('capital', 'What is the capital of Japan?', ['tokyo']),
  short('opposite', 'What is the opposite of "empty"?', ['full', 'filled']),
  short('author', 'What is the last name of the author of "Hamlet"?', ['shakespeare']),
  short('metal', 'Which metal has the chemical symbol Fe?', ['iron']),
  short('de-tag', 'Which weekday follows "Mittwoch" in German?', ['donnerstag', 'thursday']),
];
