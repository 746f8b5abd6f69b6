import { ConfigError } from '../errors.js';
import { type FieldNames, identity, type RecordConverter, RecordProblem } from './record-text.js';

const textNames = ['text', 'content', 'code', 'source'];
const pathNames = ['path', 'max_stars_repo_path', 'file', 'filename'];
const repositoryNames = ['package', 'repo', 'repository', 'repo_name', 'max_stars_repo_name'];

/**
 * Source files: a text field, and where known `path`, a repository (`package`, `repo`, …) and `license`. The id is
 * repository and path. Options: `licenses` (keep these only, compared without case), `pathHeader` (default false: put
 * the path on a line of its own before the code, so that a model learns file names).
 */
export function sourceCodeConverter(names: FieldNames, options: Record<string, unknown>): RecordConverter {
  const { licenses, pathHeader = false } = options;
  if (
    licenses !== undefined &&
    !(Array.isArray(licenses) && licenses.every((each) => typeof each === 'string'))
  ) {
    throw new ConfigError('kindOptions.licenses', 'must be a list of licence names');
  }
  const allowed = licenses && new Set(licenses.map((each: string) => each.toLowerCase()));
  return (fields) => {
    const name = names.text ?? textNames.find((each) => typeof fields[each] === 'string') ?? 'text';
    const text = fields[name];
    if (typeof text !== 'string') throw new RecordProblem(name, 'must be a string of source code');
    if (allowed) {
      const given = [fields.license ?? fields.licenses ?? fields.max_stars_repo_licenses ?? 'none'].flat();
      const isAllowed = given.every((each) => allowed.has(String(each).toLowerCase()));
      if (!isAllowed)
        throw new RecordProblem('license', `${given.join(', ')} is not among the licences asked for`);
    }
    const path = pathNames.map((each) => fields[each]).find((value) => typeof value === 'string');
    const repository = repositoryNames.map((each) => fields[each]).find((value) => typeof value === 'string');
    const id = [repository, path].filter((part) => part !== undefined).join('/');
    return [
      {
        text: pathHeader === true && typeof path === 'string' ? `${path}\n${text}` : text,
        ...(id !== '' && { id }),
        ...identity(fields, names),
      },
    ];
  };
}
