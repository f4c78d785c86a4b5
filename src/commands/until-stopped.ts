/**
 * Resolves on the first SIGINT or SIGTERM. A second one ends the process at once, with the shell's code for a signal;
 * the children then die with us, because they asked the kernel for that.
 */
export function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    const first = () => {
      for (const [signal, number] of SIGNALS) process.on(signal, () => process.exit(128 + number));
      resolve();
    };
    for (const [signal] of SIGNALS) process.once(signal, first);
  });
}

const SIGNALS = [
  ['SIGINT', 2],
  ['SIGTERM', 15],
] as const;
