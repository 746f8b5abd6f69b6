// The same registrations as gradients.node.ts for code that runs from the TypeScript sources (tests, benches),
// where nothing bundles: tfjs-layers' Node bundle carries them. Published builds never load this file.
import '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers';
