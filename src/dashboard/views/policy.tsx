import { useNewest } from '../gateway-context.ts';
import { Badge } from '../parts/badge.tsx';
import { Facts, Title, Trouble } from '../parts/facts.tsx';
import { Table } from '../parts/table.tsx';
import { NONE, showTime } from '../show.ts';
import { useAnswer } from '../use-answer.ts';
import type { PolicyView } from '../wire.ts';

/** The policy in force, whether the file still holds it, and what its last change did. */
export function Policy() {
  const { value, error, refresh } = useAnswer<PolicyView>('router/policy');
  useNewest((item) => item.kind === 'event' && item.event.kind.startsWith('policy.'), refresh);
  return (
    <>
      <Title>Policy</Title>
      <Trouble error={error} />
      {value !== undefined && <Shown policy={value} />}
    </>
  );
}

function Shown({ policy }: { readonly policy: PolicyView }) {
  const { error, previous } = policy;
  const state = error === null ? <Badge tone="good" text="valid and in force" /> : <Badge tone="bad" text="rejected" />;
  return (
    <>
      <Facts
        facts={[
          ['File', <code key="file">{policy.file}</code>],
          ['File now', state],
          ['Revision in force', <code key="revision">{policy.revision}</code>],
          ['Since', showTime(policy.since)],
        ]}
      />
      {error !== null && <Rejected error={error} />}
      {previous !== null && <Changed previous={previous} />}
      <h2>Text in force</h2>
      <p class="soft">
        Keys never stand in a policy, only the names of their variables. Values of environments are hidden.
      </p>
      <Lines name="Text of the policy in force" text={policy.text} isNumbered />
    </>
  );
}

function Rejected({ error }: { readonly error: NonNullable<PolicyView['error']> }) {
  return (
    <section aria-label="Rejected change" class="card bad">
      <h2>The file was changed and is wrong</h2>
      <p>Seen at {showTime(error.at)}. The policy below stays in force until the file is right.</p>
      <pre class="trouble">{error.message}</pre>
      {error.diff !== null && error.diff !== '' && <Lines name="Rejected against in force" text={error.diff} />}
    </section>
  );
}

const CHANGE_COLUMNS = [{ name: 'Setting' }, { name: 'Before' }, { name: 'Now' }];

function Changed({ previous }: { readonly previous: NonNullable<PolicyView['previous']> }) {
  return (
    <section aria-label="Last change">
      <h2>Last change</h2>
      <p class="soft">
        Against revision <code>{previous.revision}</code> of {showTime(previous.since)}.
      </p>
      {previous.changes.length === 0 ? (
        <p>It means the same as before.</p>
      ) : (
        <Table caption="Settings that changed" columns={CHANGE_COLUMNS}>
          {previous.changes.map(({ path, before, after }) => (
            <tr key={path}>
              <th scope="row">{path}</th>
              <td class="wide">{before ?? NONE}</td>
              <td class="wide">{after ?? NONE}</td>
            </tr>
          ))}
        </Table>
      )}
      {previous.diff !== null && previous.diff !== '' && <Lines name="Change of the text" text={previous.diff} />}
    </section>
  );
}

type LinesProps = { readonly name: string; readonly text: string; readonly isNumbered?: boolean };

/** Text line by line; lines that a difference marks are coloured, and the mark stays for who sees no colour. */
function Lines({ name, text, isNumbered = false }: LinesProps) {
  const lines = text.replace(/\n$/, '').split('\n');
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section class={isNumbered ? 'lines numbered' : 'lines'} aria-label={name} tabIndex={0}>
      <pre>
        {lines.map((line, index) => (
          <span key={index} class={isNumbered ? 'line' : `line ${MARKS[line[0] ?? ''] ?? ''}`}>
            {line}
            {'\n'}
          </span>
        ))}
      </pre>
    </section>
  );
}

const MARKS: Readonly<Record<string, string>> = { '+': 'new', '-': 'gone' };
