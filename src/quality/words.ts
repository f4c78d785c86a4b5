// One word is a run of letters, marks, digits and apostrophes; a Chinese or Japanese character is a word by itself,
// because those scripts put no spaces.
const WORD = /[\u3040-\u30ff\u3400-\u9fff]|(?:(?![\u3040-\u30ff\u3400-\u9fff])[\p{L}\p{M}\p{N}'])+/gu;

/** Lower-case words of a text in order, without punctuation; empty for a text that has none. */
export const wordsOf = (text: string): readonly string[] => text.toLowerCase().match(WORD) ?? [];
