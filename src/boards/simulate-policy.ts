import { basename, join } from 'node:path';
import { isMap, parseDocument, type YAMLMap } from 'yaml';
import { GatewayError } from '../core/errors.ts';
import type { Board } from './boards.ts';

/** Keys of a runtime that name programs and libraries, which a simulation has not. */
const PROGRAM_KEYS = ['binary', 'bench_binary', 'library'];
/** Launch settings that name files, and arguments only a real program understands. */
const FILE_SETTINGS = ['mmproj', 'lora', 'chat_template_file', 'template', 'prompt_cache', 'extra_args', 'abi'];

/**
 * The same policy on a simulated board: every runtime of kind `simulated` on its device, every model's file replaced by
 * its stand-in (`standInPath`), the board's memory where none is named, and nothing started before. Targets, classes, prices, rules,
 * clients and comments stay as they are. The text must have passed `loadPolicy`. Throws `invalid_config` where models
 * or runtimes are written as aliases, which cannot be changed one by one.
 */
export function simulatePolicy(text: string, board: Board, folder: string): string {
  const document = parseDocument(text, { merge: true });
  for (const { value } of entriesOf(document.get('runtimes'), 'runtimes')) {
    value.set('kind', 'simulated');
    for (const key of PROGRAM_KEYS) value.delete(key);
    dropFileSettings(value);
  }
  for (const { key, value } of entriesOf(document.get('models'), 'models')) {
    value.set('file', standInPath(folder, key, String(value.get('file'))));
    dropFileSettings(value);
  }
  // A budget the policy names itself is meant as it is; `auto` is what the board has.
  const memory = document.getIn(['machine', 'memory']);
  if (memory === undefined || memory === 'auto') {
    document.setIn(['machine', 'memory'], `${Math.round(board.memoryBytes / 1e6)}MB`);
  }
  document.deleteIn(['machine', 'before_start']);
  document.commentBefore = `${headline(board)}\n${document.commentBefore ?? ''}`;
  return document.toString({ lineWidth: 0 });
}

/** Where the stand-in of a model lies: under the model's own file name, by which its figures are found. */
export const standInPath = (folder: string, id: string, file: string): string =>
  join(folder, encodeURIComponent(id), basename(file));

const headline = ({ title }: Board): string =>
  ` SIMULATED: ${title}. No model runs.\n Written by "sluice serve --simulate"; the next start writes it anew.\n`;

type Entry = { readonly key: string; readonly value: YAMLMap };

function entriesOf(map: unknown, name: string): readonly Entry[] {
  if (map === undefined || map === null) return [];
  if (!isMap(map)) throw notPlain(name);
  return map.items.map(({ key, value }) => {
    const id = String(key);
    if (!isMap(value)) throw notPlain(`${name}.${id}`);
    return { key: id, value };
  });
}

function notPlain(path: string): GatewayError {
  const message = `${path} is no plain map, so its simulation cannot be written; spell it out instead of using an alias`;
  return new GatewayError('invalid_config', message);
}

function dropFileSettings(entry: YAMLMap): void {
  const settings = entry.get('settings');
  if (!isMap(settings)) return;
  for (const key of FILE_SETTINGS) settings.delete(key);
}
