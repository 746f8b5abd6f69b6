import type { Manifest } from '../pipeline/manifest.js';

/** Rows of cells, columns aligned; numbers to the right. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const cells = rows.map((row) =>
    row.map((cell) => (typeof cell === 'number' ? cell.toLocaleString('en-US') : cell)),
  );
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  return cells
    .map((row, i) =>
      row
        .map((cell, column) =>
          typeof rows[i]![column] === 'number' || (i === 0 && column > 0)
            ? cell.padStart(widths[column]!)
            : cell.padEnd(widths[column]!),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

/** What a run made, for people. */
export function printSummary(manifest: Manifest): void {
  const lines = [
    table([
      ['source', 'records', 'filtered', 'documents', 'tokens', 'weight', 'share', 'drawn', 'epochs'],
      ...manifest.sources.map(
        ({ name, records, filteredDocuments, documents, tokens, weight, share, trainTokens, epochs }) => [
          name,
          records,
          filteredDocuments,
          documents,
          tokens,
          percent(weight).padStart(8),
          percent(share).padStart(8),
          trainTokens,
          epochs.toFixed(2).padStart(6),
        ],
      ),
    ]),
  ];
  const drops = Object.entries(manifest.drops).sort(([, a], [, b]) => b.count - a.count);
  if (drops.length > 0) {
    lines.push('', table([['dropped', 'documents'], ...drops.map(([reason, { count }]) => [reason, count])]));
  }
  for (const { name, problem, message } of manifest.files.filter(({ status }) => status === 'skipped')) {
    lines.push(`skipped ${name} (${problem}): ${message}`);
  }
  for (const { name, n, examples, clean, dirty, tooShort } of manifest.decontamination?.sets ?? []) {
    lines.push(
      `${name}: ${clean} of ${examples} examples clean, ${dirty} dirty, ${tooShort} too short (n = ${n})`,
    );
  }
  const tokens = manifest.shards.reduce((sum, { tokenCount }) => sum + tokenCount, 0);
  lines.push(
    '',
    `${manifest.shards.length} shards, ${tokens.toLocaleString('en-US')} tokens, run ${manifest.fingerprint}`,
  );
  process.stdout.write(`${lines.join('\n')}\n`);
}
