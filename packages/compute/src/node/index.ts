export {
  cacheRoot,
  listInstallations,
  type NativeInstallation,
  type NativeManifest,
} from './cache.js';
export { type Check, type Diagnosis, type DoctorOptions, doctor, isHealthy } from './doctor.js';
export { type InstallFailure, NativeInstallError } from './install/errors.js';
export {
  type InstallNativeOptions,
  type InstallNativeResult,
  installNative,
  uninstallNative,
} from './install/install-native.js';
export type { InstallProgress, Phase } from './install/progress.js';
