/** A point of a fit; `y` above zero. */
export type Point = { readonly x: number; readonly y: number };

/**
 * Coefficients c ≥ 0 that minimise Σ ((y − Σ c_k · column_k(x)) / y)²: least squares of the relative error. Noise would
 * otherwise give negative costs, which a prediction would take for a gift. With so few columns every subset of them can
 * be tried, which is exact. `required` is the column that must have a coefficient above zero; undefined where no subset
 * with it has a solution without negative ones.
 */
export function fitNonNegative(
  points: readonly Point[],
  columns: readonly ((x: number) => number)[],
  required: number,
): readonly number[] | undefined {
  const rows = points.filter(({ y }) => y > 0).map(({ x, y }) => columns.map((column) => column(x) / y));
  let best: { readonly error: number; readonly coefficients: readonly number[] } | undefined;
  for (let mask = 1; mask < 1 << columns.length; mask += 1) {
    if ((mask & (1 << required)) === 0) continue;
    const chosen = columns.flatMap((_, index) => ((mask & (1 << index)) === 0 ? [] : [index]));
    const solved = solveLeastSquares(rows.map((row) => chosen.map((index) => row[index] ?? 0)));
    if (solved?.every((value) => value >= 0) !== true || (solved[chosen.indexOf(required)] ?? 0) <= 0) continue;
    const coefficients = columns.map((_, index) => solved[chosen.indexOf(index)] ?? 0);
    const error = rows.reduce((sum, row) => sum + (1 - dot(row, coefficients)) ** 2, 0);
    // A column more always fits a little better: it must earn its place beyond rounding.
    if (best === undefined || error < best.error - 1e-12) best = { error, coefficients };
  }
  return best?.coefficients;
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);

/** Solves rows · c ≈ 1 by the normal equations, scaled per column; undefined where they are singular. */
function solveLeastSquares(rows: readonly (readonly number[])[]): readonly number[] | undefined {
  const width = rows[0]?.length ?? 0;
  if (rows.length < width || width === 0) return undefined;
  const scale = Array.from({ length: width }, (_, k) => Math.hypot(...rows.map((row) => row[k] ?? 0)) || 1);
  const scaled = rows.map((row) => row.map((value, k) => value / (scale[k] ?? 1)));
  const matrix = scale.map((_, k) => [
    ...scale.map((__, j) => scaled.reduce((sum, row) => sum + (row[k] ?? 0) * (row[j] ?? 0), 0)),
    scaled.reduce((sum, row) => sum + (row[k] ?? 0), 0),
  ]);
  const solution = eliminate(matrix);
  return solution?.map((value, k) => value / (scale[k] ?? 1));
}

/** Gauss–Jordan with pivoting on an augmented matrix of a few rows; undefined where a pivot vanishes. */
function eliminate(matrix: number[][]): readonly number[] | undefined {
  for (let column = 0; column < matrix.length; column += 1) {
    const below = matrix.slice(column).map((row) => Math.abs(row[column] ?? 0));
    const pivotRow = column + below.indexOf(Math.max(...below));
    const pivot = matrix[pivotRow];
    const current = matrix[column];
    const divisor = pivot?.[column] ?? 0;
    if (pivot === undefined || current === undefined || Math.abs(divisor) < 1e-12) return undefined;
    matrix[pivotRow] = current;
    matrix[column] = pivot.map((value) => value / divisor);
    for (let row = 0; row < matrix.length; row += 1) {
      const factor = matrix[row]?.[column] ?? 0;
      if (row !== column && factor !== 0) {
        matrix[row] = (matrix[row] ?? []).map((value, k) => value - factor * (matrix[column]?.[k] ?? 0));
      }
    }
  }
  return matrix.map((row) => row.at(-1) ?? 0);
}
