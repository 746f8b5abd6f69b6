import { join } from 'node:path';
import { packageFolder } from '../package-folder.js';

/** The folder of small samples inside the package. */
export const bundledData = (): string => join(packageFolder(), 'data');
