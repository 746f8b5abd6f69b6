/** What a record becomes: text, an id and an address where the record has them. */
export interface RecordText {
  text: string;
  id?: string;
  url?: string;
}

/** Names of the fields that matter. */
export interface FieldNames {
  text?: string | undefined;
  id?: string | undefined;
  url?: string | undefined;
}

/** Turns one record into text, or says in a {@link RecordProblem} why it cannot. */
export type RecordConverter = (
  fields: Record<string, unknown>,
  context: { file: string; line: number },
) => RecordText[];

/** Thrown by converters; the reader adds file and line. */
export class RecordProblem extends Error {
  readonly field: string;
  constructor(field: string, problem: string) {
    super(problem);
    this.field = field;
  }
}

const textNames = ['text', 'content', 'body', 'document', 'raw_content'];
const urlNames = ['url', 'link', 'source_url'];

/** The common case: a field with text, perhaps one with an id and one with an address. */
export function documentConverter(names: FieldNames): RecordConverter {
  return (fields) => {
    const name = names.text ?? textNames.find((each) => typeof fields[each] === 'string') ?? 'text';
    const text = fields[name];
    if (typeof text !== 'string') {
      const known = Object.keys(fields).slice(0, 8).join(', ');
      throw new RecordProblem(
        name,
        `must be a string; the record has ${known || 'no fields'} (set fields.text)`,
      );
    }
    return [{ text, ...identity(fields, names) }];
  };
}

/** Id and address, from the fields named or the usual ones. */
export function identity(fields: Record<string, unknown>, names: FieldNames): { id?: string; url?: string } {
  const id = fields[names.id ?? 'id'];
  const url =
    names.url === undefined ? urlNames.map((each) => fields[each]).find(isString) : fields[names.url];
  return {
    ...((typeof id === 'string' && id !== '') || typeof id === 'number' ? { id: String(id) } : {}),
    ...(isString(url) ? { url } : {}),
  };
}

const isString = (value: unknown): value is string => typeof value === 'string' && value !== '';
