export { expectNoLeak, expectTensorClose, type Tolerance } from './expect.js';
export { checkGradients, type GradientCheckOptions } from './gradients.js';
export { setupBackend, testBackend } from './setup.js';
