import { z } from 'zod';
import { TaskDataError } from '../errors.js';

const indices = z.array(z.int().nonnegative());

const schema = z.object({
  format: z.literal('gpt-lineage.contamination/1'),
  corpus: z.object({ files: z.array(z.string()), documents: z.int().nonnegative() }),
  tasks: z.record(
    z.string(),
    z.object({ n: z.int().positive(), clean: indices, dirty: indices, tooShort: indices }),
  ),
});

/**
 * Which items of which tasks share an n-gram of words with a training corpus. Plain data; item numbers are those of the
 * task's whole split.
 */
export type ContaminationReport = z.infer<typeof schema>;

/** Reads one back. @throws {TaskDataError} */
export function parseContaminationReport(json: string, where: string): ContaminationReport {
  try {
    return schema.parse(JSON.parse(json));
  } catch (cause) {
    throw new TaskDataError(where, 'is no contamination report; write one with gpt-eval contamination', {
      cause,
    });
  }
}
