import { suite } from '../../vitest.shared.js';

// Servers, clients and browsers in processes of their own: seconds on a quiet machine, minutes on a crowded one.
export default suite('demo', { testTimeout: 240_000 });
