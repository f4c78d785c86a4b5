import type { Clock } from './core/clock.ts';
import type { Finding } from './doctor/finding.ts';

/** Where the doctor looks. */
export type ExaminerOptions = {
  readonly policyFile: string;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly environment: NodeJS.ProcessEnv;
  /** Folder that stands for `/`; default: the machine's own. */
  readonly sysroot?: string;
};

/**
 * What `sluice doctor` finds, for a gateway that runs. A look reads some files, starts the runtimes' programs to ask for
 * their versions and times 64 MiB of storage, so it is taken only when asked for, and whoever asks meanwhile gets the
 * same one. Loaded when first asked for, so that the gateway does not start slower for it.
 */
export function createExaminer(options: ExaminerOptions): () => Promise<readonly Finding[]> {
  let underWay: Promise<readonly Finding[]> | undefined;
  return () => {
    underWay ??= examine(options).finally(() => {
      underWay = undefined;
    });
    return underWay;
  };
}

async function examine({ sysroot = '/', ...asked }: ExaminerOptions): Promise<readonly Finding[]> {
  const [{ examineHost }, { runChecks }] = await Promise.all([
    import('./doctor/examine.ts'),
    import('./doctor/run-checks.ts'),
  ]);
  return runChecks(await examineHost({ ...asked, sysroot }));
}
