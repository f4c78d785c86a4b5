import { wordsOf } from './words.ts';

/** Languages the probes are asked in. */
export type ProbeLanguage = 'en' | 'de';

// Small words that no text of the language does without and that its neighbours do not share: not "in", "de", "es", "die".
const MARKERS = {
  en: 'the and of to is it that you for with are this be not have your from by as or can will was but they which',
  de: 'der und das ist nicht ein eine den mit sich auf für dem des im wird auch als wie oder aber noch kann sind wenn bei nach',
  fr: 'le les et est des une dans pour qui pas vous avec sur au plus ce sont par il elle nous aux cette mais',
  es: 'el los las y que una por con para del su más pero como está son al lo muy se hay este',
  it: 'il che di è per non con una gli della sono del più anche dei alla nel questo come',
  nl: 'het een van niet dat met voor op zijn naar ook als maar worden door bij heeft deze',
  pt: 'o os as um uma não com para mais dos das pelo ao são foi seu muito como está',
} as const;
const MARKED = Object.entries(MARKERS).map(([name, words]) => ({ name, words: new Set(words.split(' ')) }));

/** Fewer letters say nothing of the script. */
const LETTERS_MIN = 20;
/** Letters of the Latin script below which an answer to an English or German question is in another language. */
const LATIN_SHARE_MIN = 0.5;
/** Markers another language must have, and how many times as many as the one asked for. */
const MARKERS_MIN = 5;
const TIMES_MIN = 3;

/**
 * The language an answer is in where that is clearly not the one it was asked in: `fr`, or `other` for another script.
 * Undefined for the right language, and where a text is too short to tell. Code blocks do not count.
 */
export function findOtherLanguage(text: string, asked: ProbeLanguage): string | undefined {
  const prose = text.replace(/```[\s\S]*?(?:```|$)/g, ' ');
  const letters = prose.match(/\p{L}/gu)?.length ?? 0;
  if (letters < LETTERS_MIN) return undefined;
  const latin = prose.match(/\p{Script=Latin}/gu)?.length ?? 0;
  if (latin < letters * LATIN_SHARE_MIN) return 'other';
  const words = wordsOf(prose);
  const counts = MARKED.map((one) => ({ name: one.name, count: words.filter((word) => one.words.has(word)).length }));
  const own = counts.find(({ name }) => name === asked)?.count ?? 0;
  const best = counts.reduce((most, one) => (one.count > most.count ? one : most), { name: asked as string, count: 0 });
  return best.count >= MARKERS_MIN && best.count >= TIMES_MIN * own ? best.name : undefined;
}
