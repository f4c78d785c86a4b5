import type { EvalItem } from '../item.ts';

const code = (name: string, what: string, cases: readonly (readonly [readonly unknown[], unknown])[]): EvalItem => ({
  id: `code-${name}`,
  task: 'code',
  messages: [
    {
      role: 'user',
      content: `Write a JavaScript function ${name} that ${what}. Answer with the code only, no imports, no example.`,
    },
  ],
  maxTokens: 192,
  check: { kind: 'code', name, cases },
});

/** Small functions whose results are compared; run in a process without files, network or children. */
export const CODE_ITEMS: readonly EvalItem[] = [
  code('add', 'returns the sum of two numbers', [
    [[2, 3], 5],
    [[-1, 1], 0],
  ]),
  code('isEven', 'returns true when its argument, an integer, is even', [
    [[4], true],
    [[7], false],
    [[0], true],
  ]),
  code('reverseText', 'returns a string with its characters in reverse order', [
    [['abc'], 'cba'],
    [[''], ''],
  ]),
  code('maxOf', 'returns the largest number of a non-empty array', [
    [[[3, 9, 2]], 9],
    [[[-5, -2]], -2],
  ]),
  code('factorial', 'returns n! for an integer n from 0 to 20', [
    [[0], 1],
    [[5], 120],
  ]),
  code('countVowels', 'counts the letters a, e, i, o, u in a string, upper or lower case', [
    [['Banana'], 3],
    [['XYZ'], 0],
    [['AEIou'], 5],
  ]),
  code('unique', 'returns the elements of an array without repetitions, in order of first appearance', [
    [[[1, 2, 1, 3, 2]], [1, 2, 3]],
    [[[]], []],
  ]),
  code('isPalindrome', 'returns true when a string reads the same in both directions, ignoring case and spaces', [
    [['Never odd or even'], true],
    [['hello'], false],
  ]),
  code('sumDigits', 'returns the sum of the decimal digits of a non-negative integer', [
    [[1234], 10],
    [[0], 0],
  ]),
  code('chunk', 'splits an array into arrays of at most n elements; arguments: array, n', [
    [
      [[1, 2, 3, 4, 5], 2],
      [[1, 2], [3, 4], [5]],
    ],
    [[[], 3], []],
  ]),
];
