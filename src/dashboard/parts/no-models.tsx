/** Stands where a policy without models leaves nothing to show. */
export function NoModels() {
  return (
    <p>
      The policy names no model. <code>sluice init --models FOLDER --force</code> writes one for the models of a folder.
    </p>
  );
}
