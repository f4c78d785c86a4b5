import { type Finding, fault, fine, warning } from '../finding.ts';
import type { Host } from '../host.ts';

/** Whether there is a policy, and whether it can be served. */
export function checkPolicyFile({ policy, files }: Host): readonly Finding[] {
  const title = 'policy file';
  const file = files.shown(policy.file);
  switch (policy.kind) {
    case 'valid':
      return [
        fine('policy', {
          title,
          measured: `${file}: ${counted(policy.policy.models.size, 'model')}, ${counted(policy.policy.runtimes.size, 'runtime')}`,
          why: 'it is valid; everything below is judged by it',
        }),
      ];
    case 'absent':
      return [
        warning(
          'policy',
          {
            title,
            measured: `${file} does not exist`,
            why: 'without a policy there is nothing to serve, and no model to judge',
          },
          `sluice init --models FOLDER --output ${file} writes one for this machine and the models of a folder; --policy FILE names another`,
        ),
      ];
    case 'invalid': {
      const [first = ''] = policy.problems;
      const more = policy.problems.length - 1;
      return [
        fault(
          'policy',
          {
            title,
            measured: more > 0 ? `${first} (and ${more} more)` : first,
            why: 'a policy with a problem is not served: a start is refused, and a running gateway keeps its old one',
          },
          `sluice policy check ${file}`,
        ),
      ];
    }
  }
}

const counted = (n: number, word: string): string => `${n} ${word}${n === 1 ? '' : 's'}`;
