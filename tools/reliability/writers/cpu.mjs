// The backend that needs nothing and starts at once.
import { initCompute } from '@gpt-lineage/compute';

await initCompute({ prefer: 'cpu' });
