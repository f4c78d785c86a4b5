import type { OutputKey, OutputLength } from '../core/knowledge.ts';
import { addLength, type LengthWindow, lengthQuantile, newLengthWindow } from './length-window.ts';

/**
 * Output lengths by class, task, model family and thinking. A group that has seen little leans on its parent:
 *
 *   q = (n q_local + k q_parent) / (n + k),  k = 20        leaf -> class and task -> class -> policy
 *
 * Thinking stays apart on every level: what a model thinks is three to ten times what it answers.
 */
export interface OutputLengths {
  /** Adds an answer; `cutOff` where `max_tokens` ended it. Answers without a token teach nothing. */
  add(key: OutputKey, tokens: number, cutOff: boolean): void;
  /** See `Knowledge`. `prior` is what the class is shrunk to; without one it stands by itself. */
  outputTokens(key: OutputKey, quantile: number, prior?: number): OutputLength | undefined;
  remainingTokens(key: OutputKey, generated: number, quantile: number): number | undefined;
  /** Names of groups that changed since the last call, with their answers; see {@link LengthWindow}. */
  takeChanged(): readonly NamedLengths[];
  /** All groups, the same way. */
  all(): readonly NamedLengths[];
}

/** A group's name and its answers, oldest first; see {@link LengthWindow}. */
export type NamedLengths = readonly [string, readonly number[]];

/** Answers of a parent that weigh as much as those of its child together. */
const PARENT_WEIGHT = 20;
/** So many answers beyond what was generated make a group tell what is still to come; else its parent is asked. */
const LONGER_MIN = 5;
/** Groups kept at most; beyond, new leaves are answered by their parents. */
const GROUPS_MAX = 2_000;

type Group = { readonly name: string; readonly label: string; readonly window: LengthWindow };
/** From the most specific to the class. */
type Family = readonly [Group, Group, Group];

/** Makes {@link OutputLengths} that go on from what was kept, by group name. */
export function createOutputLengths(kept: ReadonlyMap<string, readonly number[]> = new Map()): OutputLengths {
  const groups = new Map<string, Group>();
  const families = new Map<string, Map<string, Family>>();
  const changed = new Set<Group>();

  const groupOf = (name: string, label: string): Group => {
    let group = groups.get(name);
    if (group === undefined) {
      group = { name, label, window: newLengthWindow(kept.get(name)) };
      if (groups.size < GROUPS_MAX) groups.set(name, group);
    }
    return group;
  };

  const familyOf = (key: OutputKey): Family => {
    const root = `${key.class}${key.thinking ? '+' : ''}`;
    const byFamily = families.get(key.family) ?? new Map<string, Family>();
    if (byFamily.size === 0) families.set(key.family, byFamily);
    const known = byFamily.get(`${root}/${key.task}`);
    if (known !== undefined) return known;
    const thinking = key.thinking ? ', thinking' : '';
    const label = `class ${key.class}, task ${key.task}`;
    const family: Family = [
      groupOf(`${root}/${key.task}/${key.family}`, `${label}, family ${key.family}${thinking}`),
      groupOf(`${root}/${key.task}`, `${label}${thinking}`),
      groupOf(root, `class ${key.class}${thinking}`),
    ];
    if (groups.size < GROUPS_MAX) byFamily.set(`${root}/${key.task}`, family);
    return family;
  };

  return {
    add: (key, tokens, cutOff) => {
      if (!(tokens >= 1) || !Number.isFinite(tokens)) return;
      for (const group of familyOf(key)) {
        addLength(group.window, Math.round(tokens), cutOff);
        changed.add(group);
      }
    },
    outputTokens: (key, quantile, prior) => {
      const [leaf, parent, root] = familyOf(key);
      let tokens = prior;
      let used: Group | undefined;
      for (const group of [root, parent, leaf]) {
        const local = lengthQuantile(group.window, quantile);
        if (local === undefined) continue;
        const n = group.window.lengths.length;
        tokens = tokens === undefined ? local : (n * local + PARENT_WEIGHT * tokens) / (n + PARENT_WEIGHT);
        used = group;
      }
      if (used === undefined || tokens === undefined) return undefined;
      const n = used.window.lengths.length;
      return { tokens, n, basis: `${used.label}, n=${n}` };
    },
    remainingTokens: (key, generated, quantile) => {
      for (const { window } of familyOf(key)) {
        let longer = 0;
        for (const length of window.lengths) if (length > generated) longer += 1;
        if (longer < LONGER_MIN) continue;
        const whole = lengthQuantile(window, quantile, generated);
        if (whole !== undefined) return whole - generated;
      }
      const [, , root] = familyOf(key);
      const whole = lengthQuantile(root.window, quantile, generated);
      return whole === undefined ? undefined : whole - generated;
    },
    all: () => {
      const all = new Map(kept);
      for (const { name, window } of groups.values()) all.set(name, window.lengths);
      return [...all].map(([name, lengths]) => [name, [...lengths]] as const);
    },
    takeChanged: () => {
      const taken = [...changed].map(({ name, window }) => [name, [...window.lengths]] as const);
      changed.clear();
      return taken;
    },
  };
}
