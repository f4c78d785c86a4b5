import { Badge, type Tone } from '../parts/badge.tsx';
import { Title, Trouble } from '../parts/facts.tsx';
import { useAnswer } from '../use-answer.ts';
import type { Finding } from '../wire.ts';

const SEVERITIES: readonly (readonly [Finding['severity'], Tone, string])[] = [
  ['error', 'bad', 'wrong'],
  ['warn', 'fair', 'could be better'],
  ['info', 'plain', 'worth knowing'],
];

/** What is wrong with the machine or could be better for its models, the worst first, each with what helps. */
export function Doctor() {
  const { value, error, isAsking, refresh } = useAnswer<{ readonly findings: readonly Finding[] }>('router/doctor');
  const findings = value?.findings ?? [];
  const fine = findings.filter(({ severity }) => severity === 'ok');
  return (
    <>
      <Title>Doctor</Title>
      <div class="filters">
        <button type="button" onClick={refresh} disabled={isAsking}>
          Look again
        </button>
        <span class="soft" role="status">
          {isAsking ? 'Looking at the machine …' : summaryOf(findings)}
        </span>
      </div>
      <Trouble error={error} />
      {SEVERITIES.map(([severity, tone, word]) =>
        findings
          .filter((one) => one.severity === severity)
          .map((finding) => <FindingCard key={finding.id} finding={finding} tone={tone} word={word} />),
      )}
      {fine.length > 0 && (
        <details>
          <summary>{fine.length} in order</summary>
          {fine.map((finding) => (
            <FindingCard key={finding.id} finding={finding} tone="good" word="in order" />
          ))}
        </details>
      )}
    </>
  );
}

function summaryOf(findings: readonly Finding[]): string {
  const counts = SEVERITIES.map(([severity, , word]) => {
    const count = findings.filter((one) => one.severity === severity).length;
    return `${count} ${word}`;
  });
  return findings.length === 0 ? '' : counts.join(', ');
}

type FindingCardProps = { readonly finding: Finding; readonly tone: Tone; readonly word: string };

function FindingCard({ finding, tone, word }: FindingCardProps) {
  const { id, title, measured, why, remedy } = finding;
  return (
    <article class="card item" aria-label={title}>
      <h2>
        <Badge tone={tone} text={word} /> {title} <code class="soft">{id}</code>
      </h2>
      <p>{measured}</p>
      <p class="soft">{why}</p>
      {remedy !== '' && (
        <p>
          Helps: <code>{remedy}</code>
        </p>
      )}
    </article>
  );
}
