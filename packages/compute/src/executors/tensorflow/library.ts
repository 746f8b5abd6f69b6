import { ExecutorError } from '../../capture/errors.js';
import { nodeProcess } from '../host.js';
import {
  type CopyMemory,
  findKoffi,
  type Koffi,
  memoryCopier,
  type NativeFunction,
  openLibrary,
  type Pointer,
} from '../koffi.js';
import { withoutStderr } from '../quiet.js';
import { locateTensorFlow } from './locate.js';

export interface NativeOutput {
  oper: Pointer;
  index: number;
}

/** Functions of TensorFlow's C API that capture uses, by name without prefix. */
const declarations = [
  'void* TF_NewStatus()',
  'void TF_DeleteStatus(void*)',
  'int TF_GetCode(void*)',
  'const char* TF_Message(void*)',
  'const char* TF_Version()',
  'void* TF_NewGraph()',
  'void TF_DeleteGraph(void*)',
  'void* TF_NewOperation(void*, const char*, const char*)',
  'void TF_AddInput(void*, TF_Output)',
  'void TF_AddInputList(void*, TF_Output*, int)',
  'void TF_AddControlInput(void*, void*)',
  'void* TF_FinishOperation(void*, void*)',
  'void TF_SetAttrInt(void*, const char*, int64_t)',
  'void TF_SetAttrIntList(void*, const char*, int64_t*, int)',
  'void TF_SetAttrFloat(void*, const char*, float)',
  'void TF_SetAttrBool(void*, const char*, uint8_t)',
  'void TF_SetAttrType(void*, const char*, int)',
  'void TF_SetAttrTypeList(void*, const char*, int*, int)',
  'void TF_SetAttrFuncName(void*, const char*, const char*, size_t)',
  'void TF_SetAttrString(void*, const char*, const char*, size_t)',
  'void TF_SetAttrShape(void*, const char*, int64_t*, int)',
  'void TF_SetAttrTensor(void*, const char*, void*, void*)',
  'void* TF_AllocateTensor(int, int64_t*, int, size_t)',
  'void* TF_TensorData(void*)',
  'void TF_DeleteTensor(void*)',
  'void* TF_GraphToFunctionWithControlOutputs(void*, const char*, uint8_t, int, void**, int, TF_Output*, int, TF_Output*, const char**, int, void**, const char**, void*, const char*, void*)',
  'void TF_DeleteFunction(void*)',
  'void TF_FunctionSetAttrValueProto(void*, const char*, const uint8_t*, size_t, void*)',
  'void* TFE_NewContextOptions()',
  'void TFE_ContextOptionsSetConfig(void*, const uint8_t*, size_t, void*)',
  'void* TFE_NewContext(void*, void*)',
  'void TFE_DeleteContextOptions(void*)',
  'void* TFE_ContextListDevices(void*, void*)',
  'int TF_DeviceListCount(void*)',
  'const char* TF_DeviceListType(void*, int, void*)',
  'void TF_DeleteDeviceList(void*)',
  'void TFE_EnableCollectiveOps(void*, const uint8_t*, size_t, void*)',
  'void TFE_ContextAddFunction(void*, void*, void*)',
  'void TFE_ContextRemoveFunction(void*, const char*, void*)',
  'void* TFE_NewOp(void*, const char*, void*)',
  'void TFE_DeleteOp(void*)',
  'void TFE_OpAddInput(void*, void*, void*)',
  'void TFE_OpSetAttrType(void*, const char*, int)',
  'void TFE_OpSetAttrString(void*, const char*, const char*, size_t)',
  'void TFE_OpSetAttrBool(void*, const char*, uint8_t)',
  'void TFE_OpSetAttrShape(void*, const char*, int64_t*, int, void*)',
  'void TFE_Execute(void*, _Out_ void**, _Inout_ int*, void*)',
  'void* TFE_NewTensorHandle(void*, void*)',
  'void* TFE_TensorHandleResolve(void*, void*)',
  'void TFE_DeleteTensorHandle(void*)',
] as const;

type Declared = (typeof declarations)[number];
type NameOf<D extends string> = D extends `${string} TF${infer Rest}(${string}` ? `TF${Rest}` : never;
type FunctionName = NameOf<Declared>;

export class TensorFlowLibrary {
  readonly path: string;
  readonly c: Record<FunctionName, NativeFunction>;
  readonly copy: CopyMemory;

  constructor(path: string, koffi: Koffi) {
    this.path = path;
    this.copy = memoryCopier(koffi);
    const library = openLibrary(path, koffi);
    koffi.struct('TF_Output', { oper: 'void*', index: 'int' });
    const entries = declarations.map((declaration) => {
      const name = /(TFE?_\w+)\(/.exec(declaration)![1]!;
      return [name, library.func(declaration)] as const;
    });
    this.c = Object.fromEntries(entries) as Record<FunctionName, NativeFunction>;
  }

  get version(): string {
    return this.c.TF_Version();
  }

  /** Calls `body` with a status object and turns a failure into an error. */
  checked<T>(what: string, body: (status: Pointer) => T): T {
    const status = this.c.TF_NewStatus();
    try {
      const result = body(status);
      this.check(what, status);
      return result;
    } finally {
      this.c.TF_DeleteStatus(status);
    }
  }

  check(what: string, status: Pointer): void {
    if (this.c.TF_GetCode(status) === 0) return;
    throw new ExecutorError('tensorflow', `TensorFlow could not ${what}: ${this.c.TF_Message(status)}`);
  }
}

let library: TensorFlowLibrary | null | undefined;
let problem = '';

/** Opens libtensorflow the first time. */
export function loadTensorFlow(): TensorFlowLibrary | undefined {
  if (library !== undefined) return library ?? undefined;
  library = null;
  if (nodeProcess() === undefined) {
    problem = 'libtensorflow needs Node';
    return undefined;
  }
  const path = locateTensorFlow();
  if (path === undefined) {
    problem =
      'no libtensorflow was found; `npx @gpt-lineage/compute install-native` puts one in the user cache';
    return undefined;
  }
  const koffi = findKoffi();
  if (koffi === undefined) {
    problem = 'the optional dependency koffi is not installed';
    return undefined;
  }
  // TensorFlow logs its start-up to stderr unless told otherwise.
  const { env } = nodeProcess()!;
  env.TF_CPP_MIN_LOG_LEVEL ??= '3';
  try {
    library = quietly(() => new TensorFlowLibrary(path, koffi));
  } catch (error) {
    problem = `${path} could not be opened: ${(error as Error).message}`;
  }
  return library ?? undefined;
}

/** Without TensorFlow's banner, unless GPT_LINEAGE_VERBOSE is set. */
export function quietly<T>(start: () => T): T {
  const verbose = nodeProcess()?.env.GPT_LINEAGE_VERBOSE;
  return verbose === undefined || verbose === '' || verbose === '0' ? withoutStderr(start) : start();
}

/** Why `loadTensorFlow` gave nothing. */
export function tensorFlowProblem(): string {
  loadTensorFlow();
  return problem;
}
