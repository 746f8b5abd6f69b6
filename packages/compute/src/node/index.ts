export { cacheRoot, listInstallations, type NativeInstallation, type NativeManifest } from './cache.js';
