export { FolderInUseError } from '../errors.js';
export { commitSave, finishSave, readFolder, writeFolder } from './files.js';
export { type FolderLock, lockFolder, requireUnlocked } from './folder-lock.js';
