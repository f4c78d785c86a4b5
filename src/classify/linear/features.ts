/**
 * Turns a request into hashed features. No dictionary is kept: a feature is a number between 0 and 2^16, found by
 * hashing what was seen, and two rare things that share a number cost little.
 *
 *   system   words and word pairs of the first 300 characters of the instructions
 *   head     words, word pairs and letter quadruples of the first 240 characters: where the instruction usually stands
 *   tail     the same of the last 160, in a text longer than 400: where it stands when a document comes first
 *   places   the instruction's first and last words by themselves, beginnings and endings of its long words
 *   groups   which word groups (lexicon.ts) occur, which stand at the start, which stand together, which follow which
 *   body     single words of the first and last 1,000 characters
 *   shape    stream, bounds, tools, turns, length: one feature each
 *
 * Each group is scaled to a fixed length, so that a pasted log of 2,000 words does not drown the six words in front of
 * it. Runs of digits become one sign, because "item 381 of 2,140" and "item 7 of 60" say the same.
 */

import { add, clear, type FeatureVector, featureCount, mix, scaleFrom, setFrom, taken } from './feature-vector.ts';
import { eachAffix, eachWord, withDigitsAlike } from './feature-words.ts';
import { eachGroup, GROUP_COUNT } from './lexicon.ts';
import type { LinearInput } from './linear-input.ts';
import { logBucket, shapeFlags } from './shape-flags.ts';
import { countSigns } from './text-signs.ts';

/** Raised when the meaning of a feature changes: older weights are refused instead of misread. */
export const FEATURE_VERSION = 2;

const SYSTEM_CHARS = 300;
const HEAD_CHARS = 240;
const TAIL_CHARS = 160;
/** A colon or line end before this belongs to a greeting or a label, not to an instruction. */
const INSTRUCTION_CHARS_MIN = 8;
const FIRST_WORDS_CHARS = 60;
const BODY_CHARS_PER_END = 1000;
/** Words at the start are usually the request's verb. */
const LEADING_WORDS = 5;
/** How much of the text its signs are counted in. */
const SIGNS_CHARS = 600;
/** Word groups are told by their place, and as a sequence, up to here: an instruction is seldom longer. */
const PLACED_WORDS = 4;
const SEQUENCE_WORDS = 24;
const GROUPS_PER_WORD = 6;
/** Words at either end of an instruction that count by themselves. */
const END_WORDS = 5;

const SALT = {
  system: 11,
  head: 23,
  tail: 37,
  body: 53,
  quadruple: 71,
  shape: 97,
  first: 113,
  rest: 127,
  group: 131,
  restGroup: 139,
  tailGroup: 151,
  systemGroup: 167,
  groupPair: 181,
  sign: 193,
  start: 201,
  end: 203,
  affix: 207,
  groupPlace: 215,
  groupSequence: 217,
} as const;
/** How much each kind of feature weighs before anything is learned, found by cross-validation. */
const LENGTH = {
  system: 0.2,
  head: 1.6,
  rest: 0.5,
  tail: 1,
  body: 0.6,
  quadruple: 1,
  shape: 0.45,
  first: 1,
  group: 0.6,
  restGroup: 0.15,
  groupPair: 0.8,
  sign: 0.15,
  start: 0.6,
  end: 0.4,
  affix: 0.7,
  groupPlace: 0.6,
  groupSequence: 0.6,
} as const;

/**
 * The features of a request, in time bounded by the character bounds above. The arrays are reused by the next call:
 * copy what is to be kept. Any text is allowed, lone surrogates and the empty one included.
 */
export function featuresOf(input: LinearInput): FeatureVector {
  clear();
  const { text } = input;
  const head = text.slice(0, HEAD_CHARS).toLowerCase();
  const split = instructionEnd(head);
  const instruction = head.slice(0, split);
  addWords(input.system.slice(0, SYSTEM_CHARS).toLowerCase(), SALT.system, LENGTH.system);
  const words = readInstruction(instruction);
  addWordHashes(instructionWords, { from: 0, to: words, salt: SALT.head, length: LENGTH.head });
  addWords(head.slice(split), SALT.rest, LENGTH.rest);
  addQuadruples(instruction);
  const last = lastLine(text);
  addWords(last, SALT.tail, LENGTH.tail);
  if (instruction.length === text.length) addInstructionAsBody(words);
  else addBody(text);
  addFirstWords(instruction, words);
  addGroups(instruction, SALT.group, LENGTH.group);
  addGroupPairs();
  addGroupPlaces();
  addEnds(words);
  addAffixes(instruction);
  addGroups(head.slice(split), SALT.restGroup, LENGTH.restGroup);
  addGroups(last, SALT.tailGroup, LENGTH.group);
  addGroups(input.system.slice(0, SYSTEM_CHARS).toLowerCase(), SALT.systemGroup, LENGTH.restGroup);
  addSigns(text);
  addShape(input);
  return taken();
}

// An instruction in front of what it is about ends at its line's end or at a colon: "translate this: …".
function instructionEnd(head: string): number {
  const lineEnd = head.indexOf('\n');
  const end = lineEnd < INSTRUCTION_CHARS_MIN ? head.length : lineEnd;
  const colon = head.indexOf(': ', INSTRUCTION_CHARS_MIN);
  return colon >= 0 && colon < end ? colon + 1 : end;
}

// A short last line after a document is an instruction too; the empty text where there is none.
function lastLine(text: string): string {
  if (text.length <= HEAD_CHARS && !text.includes('\n')) return '';
  const end = text.slice(-TAIL_CHARS - 1);
  const start = end.lastIndexOf('\n');
  return start < 0 ? '' : end.slice(start + 1).toLowerCase();
}

// The words of the instruction, and where each ends: they are looked at four times.
const instructionWords = new Int32Array(HEAD_CHARS);
const instructionEnds = new Int32Array(HEAD_CHARS);

function readInstruction(instruction: string): number {
  let words = 0;
  eachWord(instruction, (hash, end) => {
    instructionWords[words] = hash;
    instructionEnds[words] = end;
    words += 1;
  });
  return words;
}

function addBody(text: string): void {
  const start = featureCount();
  if (text.length <= 2 * BODY_CHARS_PER_END) eachWord(text.toLowerCase(), (hash) => add(hash, SALT.body));
  else {
    eachWord(text.slice(0, BODY_CHARS_PER_END).toLowerCase(), (hash) => add(hash, SALT.body));
    eachWord(text.slice(-BODY_CHARS_PER_END).toLowerCase(), (hash) => add(hash, SALT.body));
  }
  scaleFrom(start, LENGTH.body);
}

function addWords(text: string, salt: number, length: number): void {
  const start = featureCount();
  let previous = 0;
  eachWord(text, (hash) => {
    add(hash, salt);
    if (previous !== 0) add(Math.imul(previous, 31) ^ hash, salt + 1);
    previous = hash;
  });
  scaleFrom(start, length);
}

type WordRun = { readonly from: number; readonly to: number; readonly salt: number; readonly length: number };

// The same of words that have been cut already.
function addWordHashes(hashes: Int32Array, { from, to, salt, length }: WordRun): void {
  const start = featureCount();
  for (let at = from; at < to; at += 1) {
    const hash = hashes[at] as number;
    add(hash, salt);
    if (at > from) add(Math.imul(hashes[at - 1] as number, 31) ^ hash, salt + 1);
  }
  scaleFrom(start, length);
}

// Most requests are one short line, which is instruction and body in one.
function addInstructionAsBody(words: number): void {
  const start = featureCount();
  for (let at = 0; at < words; at += 1) add(instructionWords[at] as number, SALT.body);
  scaleFrom(start, LENGTH.body);
}

function addQuadruples(text: string): void {
  const start = featureCount();
  for (let at = 0; at + 4 <= text.length; at += 1) {
    let hash = 0x811c9dc5;
    for (let next = at; next < at + 4; next += 1)
      hash = Math.imul(hash ^ withDigitsAlike(text.charCodeAt(next)), 0x01000193);
    add(hash, SALT.quadruple);
  }
  scaleFrom(start, LENGTH.quadruple);
}

const FIRST_WORDS = 3;

// The first word, the first two, and the first three: requests begin with their verb, questions with their question word.
function addFirstWords(instruction: string, words: number): void {
  const start = featureCount();
  let hash = 0;
  const addNext = (word: number) => {
    hash = Math.imul(hash, 31) ^ word;
    add(hash, SALT.first);
  };
  const count = Math.min(FIRST_WORDS, words);
  const isWhole = count === 0 || (instructionEnds[count - 1] as number) <= FIRST_WORDS_CHARS;
  if (isWhole) for (let at = 0; at < count; at += 1) addNext(instructionWords[at] as number);
  else {
    // The bound cuts one of them in two.
    let seenWords = 0;
    eachWord(instruction.slice(0, FIRST_WORDS_CHARS), (word) => {
      seenWords += 1;
      if (seenWords <= FIRST_WORDS) addNext(word);
    });
  }
  scaleFrom(start, LENGTH.first);
}

const seen = new Uint8Array(GROUP_COUNT);
const seenInHead = new Uint8Array(GROUP_COUNT);

// One feature per word group that occurs, and a second where it stands among the first words.
function addGroups(text: string, salt: number, length: number): void {
  seen.fill(0);
  const isHead = salt === SALT.group;
  if (isHead) groupsAt.fill(0);
  eachGroup(text, (group, wordIndex) => {
    if (isHead) rememberPlace(group, wordIndex);
    const place = wordIndex < LEADING_WORDS ? 2 : 1;
    if ((seen[group] as number) < place) seen[group] = place;
  });
  if (isHead) seenInHead.set(seen);
  const start = featureCount();
  for (let group = 0; group < GROUP_COUNT; group += 1) {
    if (seen[group] === 0) continue;
    add(mix(group), salt);
    if (seen[group] === 2) add(mix(group), salt + 1);
  }
  setFrom(start, length);
}

// "write" means one thing beside "poem" and another beside "function": pairs of groups of the head.
function addGroupPairs(): void {
  const start = featureCount();
  for (let first = 0; first < GROUP_COUNT; first += 1) {
    if (seenInHead[first] === 0) continue;
    for (let second = first + 1; second < GROUP_COUNT; second += 1) {
      if (seenInHead[second] !== 0) add(mix(first * 64 + second), SALT.groupPair);
    }
  }
  scaleFrom(start, LENGTH.groupPair);
}

// For each of the first words the groups it belongs to, one more than their number; 0 is none.
const groupsAt = new Uint8Array(SEQUENCE_WORDS * GROUPS_PER_WORD);

function rememberPlace(group: number, wordIndex: number): void {
  if (wordIndex >= SEQUENCE_WORDS) return;
  const from = wordIndex * GROUPS_PER_WORD;
  for (let at = from; at < from + GROUPS_PER_WORD; at += 1) {
    if (groupsAt[at] === group + 1) return;
    if (groupsAt[at] !== 0) continue;
    groupsAt[at] = group + 1;
    return;
  }
}

// "What is the bug" asks and "bug: what is wrong" reports: the group of each of the first words, and which group follows which.
function addGroupPlaces(): void {
  const placesStart = featureCount();
  for (let word = 0; word < PLACED_WORDS; word += 1) {
    eachGroupAt(word, (group) => add(mix(group * 8 + word), SALT.groupPlace));
  }
  scaleFrom(placesStart, LENGTH.groupPlace);
  const sequenceStart = featureCount();
  let previous = -1;
  for (let word = 0; word < SEQUENCE_WORDS; word += 1) {
    if (groupsAt[word * GROUPS_PER_WORD] === 0) continue;
    // Words of no group stand between without a trace: "summarize (the very long) letter".
    if (previous >= 0) addSequence(previous, word);
    previous = word;
  }
  scaleFrom(sequenceStart, LENGTH.groupSequence);
}

function addSequence(word: number, next: number): void {
  eachGroupAt(word, (one) => eachGroupAt(next, (other) => add(mix(one * 64 + other), SALT.groupSequence)));
}

function eachGroupAt(word: number, visit: (group: number) => void): void {
  const from = word * GROUPS_PER_WORD;
  for (let at = from; at < from + GROUPS_PER_WORD && groupsAt[at] !== 0; at += 1) visit((groupsAt[at] as number) - 1);
}

// Requests begin with what is wanted and end with how it is wanted: "…, one word", "… please?".
function addEnds(words: number): void {
  const startsAt = featureCount();
  for (let at = 0; at < Math.min(END_WORDS, words); at += 1) add(instructionWords[at] as number, SALT.start);
  scaleFrom(startsAt, LENGTH.start);
  const endsAt = featureCount();
  for (let at = Math.max(0, words - END_WORDS); at < words; at += 1) add(instructionWords[at] as number, SALT.end);
  scaleFrom(endsAt, LENGTH.end);
}

// "Translating", "translated" and "translation" begin alike; "-ieren", "-ing" and "-tion" end alike.
function addAffixes(instruction: string): void {
  const start = featureCount();
  eachAffix(instruction, (hash, isEnding) => add(hash, isEnding ? SALT.affix + 1 : SALT.affix));
  scaleFrom(start, LENGTH.affix);
}

/** What the text is made of, in coarse steps: digits, brackets, quotes, lines, capitals, other scripts. */
function addSigns(text: string): void {
  const start = featureCount();
  const part = text.length > SIGNS_CHARS ? text.slice(0, SIGNS_CHARS) : text;
  const totals = countSigns(part);
  for (let kind = 0; kind < totals.length; kind += 1) {
    const total = totals[kind] as number;
    add(mix(kind * 32 + logBucket(total)), SALT.sign);
    if (total > 0) add(mix(kind * 32 + 31), SALT.sign);
    add(mix(kind * 32 + Math.min(10, Math.floor((total * 40) / Math.max(20, part.length)))), SALT.sign + 1);
  }
  setFrom(start, LENGTH.sign);
}

function addShape(input: LinearInput): void {
  const start = featureCount();
  for (const flag of shapeFlags(input)) add(Math.imul(flag, 0x9e3779b1), SALT.shape);
  setFrom(start, LENGTH.shape);
}
