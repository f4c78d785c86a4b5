import type { EvalItem } from '../item.ts';

const summary = (
  id: string,
  text: string,
  groups: readonly (readonly string[])[],
  forbidden: readonly string[] = [],
): EvalItem => ({
  id: `summarize-${id}`,
  task: 'summarize',
  messages: [{ role: 'user', content: `Summarize in one sentence of at most 25 words.\n\n${text}` }],
  maxTokens: 64,
  check: { kind: 'contains', groups, forbidden, wordsMax: 30 },
});

/** One sentence that must keep the facts and must not add the ones a careless reader adds. */
export const SUMMARIZE_ITEMS: readonly EvalItem[] = [
  summary(
    'library',
    'The town library will close for renovation on 1 March. The roof has leaked since autumn and the heating is forty years old. Books can be borrowed from a bus on the market square on Tuesdays. The library is expected to open again in October.',
    [['library'], ['clos', 'renovat', 'shut'], ['october', 'march']],
  ),
  summary(
    'bridge',
    'Engineers found cracks in two of the six cables of the Hollin bridge. Lorries above twelve tonnes must take the northern route from Monday. Cars and buses are not affected. New cables have been ordered and will take five months.',
    [['bridge'], ['crack', 'cable', 'damage'], ['lorries', 'trucks', 'heavy', 'tonne', 'vehicle']],
  ),
  summary(
    'meeting',
    'We talked about the launch for an hour. Sofia wants to wait for the new icons, everyone else would rather ship. In the end we agreed on Thursday, with the old icons, and Sofia will replace them a week later.',
    [['launch', 'ship', 'release'], ['thursday'], ['icon']],
  ),
  summary(
    'study',
    'In a study of 1,200 office workers, those who took a short walk after lunch reported fewer headaches than those who did not. The researchers warn that healthier people may simply be more likely to go for walks.',
    [['walk'], ['headache']],
    ['cure'],
  ),
  summary(
    'incident',
    'At 02:10 the primary database ran out of disk space because old logs were not deleted. Writes failed for 18 minutes until the on-call engineer removed them. No data was lost. An alert at 80 percent has been added.',
    [['disk', 'space', 'storage', 'full'], ['log'], ['database', 'writes']],
  ),
  summary(
    'de-verein',
    'Der Ruderverein sucht für sein neues Bootshaus noch zwölf Freiwillige. Gebaut wird an den vier Wochenenden im Juni, Essen und Werkzeug werden gestellt. Wer mitmachen will, meldet sich bis Freitag bei Frau Sommer.',
    [
      ['ruderverein', 'rowing', 'verein', 'club'],
      ['freiwillig', 'volunteer', 'helfer'],
      ['boots', 'boat'],
    ],
  ),
  summary(
    'price',
    'The price of a monthly ticket rises from 64 to 71 euros in August. Students keep paying 35 euros. The operator points to higher wages and says that the night trains will run every half hour from then on.',
    [
      ['ticket', 'fare', 'price'],
      ['71', 'rise', 'increase', 'higher'],
    ],
  ),
  summary(
    'letter',
    'Dear tenants, the lift will be repaired on the 9th and 10th. Please use the stairs. If you cannot climb stairs, call the caretaker the day before and he will arrange help. Thank you for your patience.',
    [
      ['lift', 'elevator'],
      ['repair', 'fix', 'maintenance', 'out of'],
    ],
  ),
];
