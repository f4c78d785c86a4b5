import type { Finding, Severity } from '../doctor/finding.ts';

const ORDER: readonly Severity[] = ['error', 'warn', 'info', 'ok'];
const WORDS: Readonly<Record<Severity, string>> = { error: 'ERROR', warn: 'WARN ', info: 'info ', ok: 'ok   ' };
const COLOURS: Readonly<Record<Severity, string>> = { error: '31', warn: '33', info: '36', ok: '32' };

/**
 * A report for people: the worst first, each with why and what helps; what is fine on one line each. The last line counts.
 */
export function doctorText(findings: readonly Finding[], coloured: boolean): string {
  const sorted = ORDER.flatMap((severity) => findings.filter((finding) => finding.severity === severity));
  const lines = sorted.flatMap((finding) => findingLines(finding, coloured));
  const count = (severity: Severity) => findings.filter((finding) => finding.severity === severity).length;
  const plural = (n: number, word: string) => `${n} ${word}${n === 1 ? '' : 's'}`;
  const total = `${plural(count('error'), 'error')}, ${plural(count('warn'), 'warning')}, ${count('info')} to know, ${count('ok')} fine`;
  return [...lines, '', total].join('\n');
}

function findingLines({ id, severity, title, measured, why, remedy }: Finding, coloured: boolean): readonly string[] {
  const word = coloured ? `\u001b[${COLOURS[severity]}m${WORDS[severity]}\u001b[0m` : WORDS[severity];
  const head = `${word} ${title}: ${measured}`;
  if (severity === 'ok') return [head];
  const indent = '      ';
  return [`${head}  [${id}]`, `${indent}${why}`, ...(remedy === '' ? [] : [`${indent}-> ${remedy}`])];
}
