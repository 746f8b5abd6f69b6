// Bundlers take tfjs-core's ES modules, so this registers with the very copy the application uses.
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
