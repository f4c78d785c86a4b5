import { GatewayError } from '../core/errors.ts';

/** A board whose times are known well enough to be simulated. */
export type Board = {
  readonly id: string;
  readonly title: string;
  /** All of its memory, bytes. */
  readonly memoryBytes: number;
  /** Where its figures come from, for people. */
  readonly source: string;
};

/** The boards there are. One whose times were published for no single model is not listed: it would be a guess all over. */
export const BOARDS: readonly Board[] = [
  {
    id: 'rk3588',
    title: 'RK3588, 24 GB: llama.cpp on the CPU, RKLLM on the NPU',
    memoryBytes: 24e9,
    source: 'bench-results/reference/rk3588-seed.json; models it does not list, by the size law',
  },
];

/** The board of that name. Throws `usage` with the list where there is none. */
export function findBoard(id: string): Board {
  const board = BOARDS.find((one) => one.id === id.toLowerCase());
  if (board !== undefined) return board;
  const known = BOARDS.map((one) => one.id).join(', ');
  throw new GatewayError('usage', `no figures of a board "${id}"; boards that can be simulated: ${known}`);
}
