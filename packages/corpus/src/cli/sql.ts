import { ConfigError } from '../errors.js';
import { expandInputs } from '../read/input-files.js';
import { table } from './summary.js';

/**
 * Asks DuckDB: the files are the table `documents`.
 *
 * @returns a table for people
 * @throws {ConfigError} when the package `@duckdb/node-api` is missing or the query is wrong
 */
export async function querySql(files: readonly string[], query: string): Promise<string> {
  let duckdb: typeof import('@duckdb/node-api');
  try {
    duckdb = await import('@duckdb/node-api');
  } catch (cause) {
    throw new ConfigError('--sql', 'needs the package @duckdb/node-api: npm install @duckdb/node-api', {
      cause,
    });
  }
  const inputs = await expandInputs(files);
  const formats = new Set(
    inputs.map(({ format }) => (format === 'tsv' ? 'csv' : format === 'jsonl' ? 'json' : format)),
  );
  const [format] = formats;
  if (formats.size !== 1 || format === 'text') {
    throw new ConfigError('--sql', 'the files must all be Parquet, all JSON lines, or all CSV');
  }
  const list = inputs.map(({ path }) => `'${path.replaceAll("'", "''")}'`).join(', ');
  const instance = await duckdb.DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    await connection.run(`CREATE VIEW documents AS SELECT * FROM read_${format}([${list}])`);
    const reader = await connection.runAndReadAll(query);
    const rows = reader.getRowsJson().map((row) => row.map(cell));
    return table([reader.columnNames(), ...rows]);
  } catch (cause) {
    throw new ConfigError('--sql', (cause as Error).message, { cause });
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

function cell(value: unknown): string | number {
  if (typeof value === 'number') return value;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  // DuckDB writes 64-bit integers as strings.
  if (/^-?\d{1,15}$/.test(text)) return Number(text);
  const line = text.replace(/\s+/g, ' ');
  return line.length > 80 ? `${line.slice(0, 79)}…` : line;
}
