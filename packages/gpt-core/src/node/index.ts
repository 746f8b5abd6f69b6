export { expandInputs, readRecords, wordsOf } from '@gpt-lineage/corpus';
export { writeFileAtomic } from './atomic-files.js';
export { abortOnInterrupt } from './interrupt.js';
export { loadLoRA } from './load-lora.js';
export { jsonlLog, type MetricsLog, readJsonlLog, tensorBoardLog } from './metrics-log.js';
export { RunDirectory, type RunDirectoryOptions, readCheckpoint } from './run-directory.js';
export { type ShardSource, type ShardSourceOptions, shardSource } from './shard-source.js';
export { readTensorFile, writeTensorFile } from './task-files.js';
