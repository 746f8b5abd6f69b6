// Node cannot load tfjs-core's deep `register_all_gradients` (ESM syntax in a CommonJS package), and core's
// Node bundle leaves the gradients out. The build bundles that file into this entry point: its registrations
// land in the one global registry that every copy of tfjs-core shares.
import '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
