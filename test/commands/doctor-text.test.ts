import { describe, expect, it } from 'vitest';
import { doctorText } from '../../src/commands/doctor-text.ts';
import type { Finding } from '../../src/doctor/finding.ts';

const finding = (severity: Finding['severity'], id: string, remedy = ''): Finding => ({
  id,
  severity,
  title: `the ${id}`,
  measured: '3',
  why: 'because',
  remedy,
});

describe('doctorText', () => {
  it('puts the worst first, gives reason and remedy, and counts', () => {
    const text = doctorText(
      [
        finding('ok', 'chip'),
        finding('info', 'swap'),
        finding('error', 'models', 'mend it'),
        finding('warn', 'fan', 'turn it'),
      ],
      false,
    );
    expect(text.split('\n')).toEqual([
      'ERROR the models: 3  [models]',
      '      because',
      '      -> mend it',
      'WARN  the fan: 3  [fan]',
      '      because',
      '      -> turn it',
      'info  the swap: 3  [swap]',
      '      because',
      'ok    the chip: 3',
      '',
      '1 error, 1 warning, 1 to know, 1 fine',
    ]);
  });

  it('colours only the first word, and only where asked to', () => {
    expect(doctorText([finding('ok', 'chip')], true)).toContain('\u001b[32mok   \u001b[0m the chip');
    expect(doctorText([finding('ok', 'chip')], false)).not.toContain('\u001b');
  });
});
