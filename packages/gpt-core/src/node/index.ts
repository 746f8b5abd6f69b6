export { loadLoRA } from './lora-files.js';
export { jsonlLog, type MetricsLog, readJsonlLog, tensorBoardLog } from './metrics-log.js';
export { RunDirectory, type RunDirectoryOptions, readCheckpoint } from './run-directory.js';
export { readTensorFile, writeTensorFile } from './task-files.js';
