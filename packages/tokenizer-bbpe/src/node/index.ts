export { commitSave, finishSave } from '@gpt-lineage/tokenizer-bpe/folders';
export { EncoderPool, type EncoderPoolOptions, WorkerError } from './encoder-pool.js';
export { loadTokenizer, saveTokenizer } from './tokenizer-files.js';
export { type TrainFilesOptions, trainFromFiles } from './train-files.js';
