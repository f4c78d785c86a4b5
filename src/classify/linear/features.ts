/**
 * Turns a request into hashed features. No dictionary is kept: a feature is a number between 0 and 2^16, found by
 * hashing what was seen, and two rare things that share a number cost little.
 *
 *   system   words and word pairs of the first 300 characters of the instructions
 *   head     words, word pairs and letter quadruples of the first 240 characters: where the instruction usually stands
 *   tail     the same of the last 160, in a text longer than 400: where it stands when a document comes first
 *   body     single words of the first and last 2,000 characters
 *   shape    stream, bounds, tools, turns, length: one feature each
 *
 * Each group is scaled to a fixed length, so that a pasted log of 2,000 words does not drown the six words in front of
 * it. Runs of digits become one sign, because "item 381 of 2,140" and "item 7 of 60" say the same.
 */

import { eachGroup, GROUP_COUNT } from './lexicon.ts';

/** What the classifier may look at: the texts and the shape of a request. */
export type LinearInput = {
  readonly text: string;
  readonly system: string;
  readonly stream: boolean;
  readonly maxTokens: number | undefined;
  readonly toolCount: number;
  readonly inToolLoop: boolean;
  readonly responseFormat: 'text' | 'json_object' | 'json_schema' | 'grammar';
  readonly messageCount: number;
};

/** Hashed features with their values; only the first `count` entries of both arrays are meant. */
export type FeatureVector = { readonly ids: Uint16Array; readonly values: Float32Array; readonly count: number };

/** Number of hash buckets. 2^16 ids fit an Uint16Array; half as many lost a point of held-out accuracy. */
export const BUCKETS = 65_536;
/** Raised when the meaning of a feature changes: older weights are refused instead of misread. */
export const FEATURE_VERSION = 1;

const SYSTEM_CHARS = 300;
const HEAD_CHARS = 240;
const TAIL_CHARS = 160;
/** A colon or line end before this belongs to a greeting or a label, not to an instruction. */
const INSTRUCTION_CHARS_MIN = 8;
const FIRST_WORDS_CHARS = 60;
const BODY_CHARS_PER_END = 2000;
/** More features than the bounds above can give: 4,000 body words and 3 × 700 characters' worth of the rest. */
/** Words at the start are usually the request's verb. */
const LEADING_WORDS = 5;
/** How much of the text its signs are counted in. */
const SIGNS_CHARS = 600;
const FEATURES_MAX = 8192;

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
} as const;
const LENGTH = {
  system: 0.7,
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
} as const;

// One scratch vector for every call: a request would otherwise allocate 48 kB. The caller is done with it at once.
const ids = new Uint16Array(FEATURES_MAX);
const values = new Float32Array(FEATURES_MAX);
let count = 0;

/**
 * The features of a request, in time bounded by the character bounds above. The arrays are reused by the next call:
 * copy what is to be kept. Any text is allowed, lone surrogates and the empty one included.
 */
export function featuresOf(input: LinearInput): FeatureVector {
  count = 0;
  const { text } = input;
  const head = text.slice(0, HEAD_CHARS).toLowerCase();
  const split = instructionEnd(head);
  const instruction = head.slice(0, split);
  addWords(input.system.slice(0, SYSTEM_CHARS).toLowerCase(), SALT.system, LENGTH.system);
  addWords(instruction, SALT.head, LENGTH.head);
  addWords(head.slice(split), SALT.rest, LENGTH.rest);
  addQuadruples(instruction);
  const last = lastLine(text);
  addWords(last, SALT.tail, LENGTH.tail);
  addBody(text);
  addFirstWords(instruction);
  addGroups(instruction, SALT.group, LENGTH.group);
  addGroupPairs();
  addGroups(head.slice(split), SALT.restGroup, LENGTH.restGroup);
  addGroups(last, SALT.tailGroup, LENGTH.group);
  addGroups(input.system.slice(0, SYSTEM_CHARS).toLowerCase(), SALT.systemGroup, LENGTH.restGroup);
  addSigns(text);
  addShape(input);
  return { ids, values, count };
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

function addBody(text: string): void {
  const start = count;
  if (text.length <= 2 * BODY_CHARS_PER_END) eachWord(text.toLowerCase(), (hash) => add(hash, SALT.body));
  else {
    eachWord(text.slice(0, BODY_CHARS_PER_END).toLowerCase(), (hash) => add(hash, SALT.body));
    eachWord(text.slice(-BODY_CHARS_PER_END).toLowerCase(), (hash) => add(hash, SALT.body));
  }
  scale(start, LENGTH.body);
}

function addWords(text: string, salt: number, length: number): void {
  const start = count;
  let previous = 0;
  eachWord(text, (hash) => {
    add(hash, salt);
    if (previous !== 0) add(Math.imul(previous, 31) ^ hash, salt + 1);
    previous = hash;
  });
  scale(start, length);
}

function addQuadruples(text: string): void {
  const start = count;
  for (let at = 0; at + 4 <= text.length; at += 1) {
    let hash = 0x811c9dc5;
    for (let next = at; next < at + 4; next += 1) hash = Math.imul(hash ^ folded(text.charCodeAt(next)), 0x01000193);
    add(hash, SALT.quadruple);
  }
  scale(start, LENGTH.quadruple);
}

// The first word, the first two, and the first three: requests begin with their verb, questions with their question word.
function addFirstWords(instruction: string): void {
  const start = count;
  let words = 0;
  let hash = 0;
  eachWord(instruction.slice(0, FIRST_WORDS_CHARS), (word) => {
    words += 1;
    if (words > 3) return;
    hash = Math.imul(hash, 31) ^ word;
    add(hash, SALT.first);
  });
  scale(start, LENGTH.first);
}

const seen = new Uint8Array(GROUP_COUNT);
const seenInHead = new Uint8Array(GROUP_COUNT);

// One feature per word group that occurs, and a second where it stands among the first words.
function addGroups(text: string, salt: number, length: number): void {
  seen.fill(0);
  eachGroup(text, (group, wordIndex) => {
    const place = wordIndex < LEADING_WORDS ? 2 : 1;
    if ((seen[group] as number) < place) seen[group] = place;
  });
  if (salt === SALT.group) seenInHead.set(seen);
  const start = count;
  for (let group = 0; group < GROUP_COUNT; group += 1) {
    if (seen[group] === 0) continue;
    add(mix(group), salt);
    if (seen[group] === 2) add(mix(group), salt + 1);
  }
  for (let at = start; at < count; at += 1) values[at] = length;
}

// "write" means one thing beside "poem" and another beside "function": pairs of groups of the head.
function addGroupPairs(): void {
  const start = count;
  for (let first = 0; first < GROUP_COUNT; first += 1) {
    if (seenInHead[first] === 0) continue;
    for (let second = first + 1; second < GROUP_COUNT; second += 1) {
      if (seenInHead[second] !== 0) add(mix(first * 64 + second), SALT.groupPair);
    }
  }
  scale(start, LENGTH.groupPair);
}

/** What the text is made of, in coarse steps: digits, brackets, quotes, lines, capitals, other scripts. */
function addSigns(text: string): void {
  const start = count;
  const part = text.length > SIGNS_CHARS ? text.slice(0, SIGNS_CHARS) : text;
  const totals = countSigns(part);
  for (let kind = 0; kind < totals.length; kind += 1) {
    const total = totals[kind] as number;
    add(mix(kind * 32 + logBucket(total)), SALT.sign);
    if (total > 0) add(mix(kind * 32 + 31), SALT.sign);
    add(mix(kind * 32 + Math.min(10, Math.floor((total * 40) / Math.max(20, part.length)))), SALT.sign + 1);
  }
  for (let at = start; at < count; at += 1) values[at] = LENGTH.sign;
}

const signTotals = new Uint16Array(7);

function countSigns(text: string): Uint16Array {
  signTotals.fill(0);
  for (let at = 0; at < text.length; at += 1) {
    const kind = signOf(text.charCodeAt(at));
    if (kind >= 0) signTotals[kind] = (signTotals[kind] as number) + 1;
  }
  return signTotals;
}

function signOf(unit: number): number {
  if (unit >= 48 && unit <= 57) return 0;
  if (unit >= 65 && unit <= 90) return 4;
  if (unit >= 0x2e80) return 5;
  if (unit >= 0xc0 && unit < 0x250) return 6;
  // Braces, brackets and operators of code; quotes; line ends.
  if (unit === 123 || unit === 125 || unit === 40 || unit === 41 || unit === 59 || unit === 61 || unit === 60) return 1;
  if (unit === 34 || unit === 39 || unit === 0x201e || unit === 0x201c) return 2;
  return unit === 10 ? 3 : -1;
}

const mix = (number: number): number => Math.imul(number + 1, 0x9e3779b1);

function addShape(input: LinearInput): void {
  const start = count;
  const flags = [
    input.stream ? 1 : 2,
    10 + boundBucket(input.maxTokens),
    30 + logBucket(input.toolCount),
    input.inToolLoop ? 40 : 41,
    50 + ['text', 'json_object', 'json_schema', 'grammar'].indexOf(input.responseFormat),
    60 + Math.min(6, logBucket(input.messageCount)),
    70 + logBucket(input.text.length),
    100 + logBucket(input.system.length),
    input.text.trimEnd().endsWith('?') ? 120 : 121,
    input.text.includes('```') ? 122 : 123,
    input.stream || input.maxTokens !== undefined ? 130 : 131,
  ];
  for (const flag of flags) add(Math.imul(flag, 0x9e3779b1), SALT.shape);
  for (let at = start; at < count; at += 1) values[at] = LENGTH.shape;
}

const boundBucket = (maxTokens: number | undefined): number => (maxTokens === undefined ? 0 : 1 + logBucket(maxTokens));
const logBucket = (value: number): number => (value <= 0 ? 0 : Math.min(20, 1 + Math.floor(Math.log2(value))));

function add(hash: number, salt: number): void {
  if (count >= FEATURES_MAX) return;
  let mixed = Math.imul(hash ^ Math.imul(salt, 0x85ebca6b), 0xc2b2ae35);
  mixed ^= mixed >>> 15;
  ids[count] = mixed & (BUCKETS - 1);
  values[count] = 1;
  count += 1;
}

// Euclidean length of the group becomes `length`, however many features it has.
function scale(start: number, length: number): void {
  if (count === start) return;
  const value = length / Math.sqrt(count - start);
  for (let at = start; at < count; at += 1) values[at] = value;
}

/** Calls `visit` with the hash of every word; signs are words of one character, so are Chinese, Japanese and Korean ones. */
function eachWord(text: string, visit: (hash: number) => void): void {
  let hash = 0;
  let last = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = folded(text.charCodeAt(at));
    if (isInWord(unit)) {
      // A run of digits counts once, whatever its length.
      if (unit !== DIGIT || last !== DIGIT) hash = Math.imul((hash === 0 ? 0x811c9dc5 : hash) ^ unit, 0x01000193);
      last = unit;
      continue;
    }
    if (hash !== 0) visit(hash);
    hash = 0;
    // Repeated signs (rules, indentation, quotes) count once.
    if (unit > 32 && unit !== last) visit(Math.imul(unit + 7, 0x01000193) | 1);
    last = unit;
  }
  if (hash !== 0) visit(hash);
}

const DIGIT = 48;
const folded = (unit: number): number => (unit >= 48 && unit <= 57 ? DIGIT : unit);

// Letters, the digit sign, underscore and other alphabets; not ASCII or general punctuation, not the scripts without spaces.
function isInWord(unit: number): boolean {
  if (unit < 128) return (unit >= 97 && unit <= 122) || unit === DIGIT || unit === 95;
  return (unit >= 0xc0 && unit < 0x2000) || (unit >= 0xd800 && unit < 0xe000);
}
