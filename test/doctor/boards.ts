import { join } from 'node:path';
import { examineHost } from '../../src/doctor/examine.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import type { Host } from '../../src/doctor/host.ts';
import { runChecks } from '../../src/doctor/run-checks.ts';
import { copyBoard } from '../helpers/board-copy.ts';
import { fakeClock } from '../helpers/fake-clock.ts';

/** A board of test/fixtures/sysroots, and what lies on it beside the files of its tree. */
export type Board = {
  readonly policy: string;
  /** Sizes in bytes, as the published files have. */
  readonly models: Readonly<Record<string, number>>;
  /** Devices that this user may not open. */
  readonly closed?: readonly string[];
};

export const BOARDS: Readonly<Record<string, Board>> = {
  'rk3588-kernel-6.1': {
    policy: 'srv/sluice/routing-policy.yaml',
    models: {
      'srv/sluice/models/qwen3-1.7b-w8a8-npu3-ctx4096-v1.2.1-rk3588.rkllm': 2_370_000_000,
      'srv/sluice/models/Qwen3.5-4B-Q4_K_M.gguf': 2_740_000_000,
      'srv/sluice/models/Qwen3.5-9B-Q4_K_M.gguf': 5_680_000_000,
      'srv/sluice/models/Qwen_Qwen3.5-27B-Q4_K_M.gguf': 16_700_000_000,
    },
  },
  'youyeetoo-r1-kernel-5.10': {
    policy: 'userdata/sluice/routing-policy.yaml',
    models: {
      'userdata/sluice/models/Qwen_Qwen3-0.6B-w8a8-opt0-hybrid0-npu3-ctx16384-rk3588.rkllm': 933_000_000,
      'userdata/sluice/models/Qwen3.5-2B-Q4_K_M.gguf': 1_280_000_000,
    },
    closed: ['dev/dri/renderD128'],
  },
  'rk3576-8gb': {
    policy: 'srv/sluice/routing-policy.yaml',
    models: {
      'srv/sluice/models/qwen3-1.7b-w4a16-npu2-ctx4096-rk3576.rkllm': 1_350_000_000,
      'srv/sluice/models/qwen3-1.7b-w8a8-npu3-ctx4096-rk3588.rkllm': 2_370_000_000,
      'srv/sluice/models/qwen2.5-3b-w8a8-g256-npu2-rk3576.rkllm': 3_600_000_000,
      'srv/sluice/models/Qwen3.5-4B-Q4_K_M.gguf': 2_740_000_000,
      'srv/sluice/models/Qwen3.5-9B-Q4_K_M.gguf': 5_680_000_000,
    },
  },
  'rk3588-throttling': {
    policy: 'home/pi/sluice/routing-policy.yaml',
    models: {
      'home/pi/sluice/models/qwen2.5-3b-w8a8-g256-npu3-v1.2.0-rk3588.rkllm': 3_600_000_000,
      'home/pi/sluice/models/Qwen3.5-4B-Q4_K_M.gguf': 2_740_000_000,
      'home/pi/sluice/models/Qwen3.5-9B-Q4_K_M.gguf': 5_680_000_000,
    },
  },
  'x86-64': {
    policy: 'etc/sluice/routing-policy.yaml',
    models: {
      'srv/models/Qwen3.5-4B-Q4_K_M.gguf': 2_740_000_000,
      'srv/models/Qwen3.5-9B-Q4_K_M.gguf': 5_680_000_000,
    },
  },
};

/** Reads a copied board; `sysroot` is what `copyBoard` returned, changed or not. */
export function examineBoard(
  sysroot: string,
  { policy, closed = [] }: Pick<Board, 'policy' | 'closed'>,
): Promise<Host> {
  const shut = new Set(closed.map((path) => join(sysroot, path)));
  return examineHost({
    sysroot,
    policyFile: join(sysroot, policy),
    dataDir: join(sysroot, 'data'),
    clock: fakeClock(),
    environment: {},
    mayUse: (path) => !shut.has(path),
  });
}

/** What doctor finds on a board. */
export async function findingsOf(name: string): Promise<readonly Finding[]> {
  const board = BOARDS[name];
  if (board === undefined) throw new Error(`no board ${name}`);
  return runChecks(await examineBoard(await copyBoard(name, board.models), board));
}
