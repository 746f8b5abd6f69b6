export { RunDirectory, type RunDirectoryOptions, readCheckpoint } from './run-directory.js';
