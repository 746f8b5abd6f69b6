export { GptLineageError } from '@gpt-lineage/compute';
