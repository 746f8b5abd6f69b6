import { ExecutorError } from '../capture/errors.js';
import { bytes, concatBytes, string, varint } from '../executors/protobuf.js';
import { configProto, TensorFlowContext } from '../executors/tensorflow/context.js';
import { loadTensorFlow, tensorFlowProblem } from '../executors/tensorflow/library.js';
import { ClusterError } from './errors.js';

export interface ClusterOptions {
  /** `host:port` of every worker, in the same order on every worker. The first one coordinates. */
  readonly workers: readonly string[];
  /** Which of them this process is. */
  readonly index: number;
  /** A step whose other workers stay silent this long fails. Default 300. */
  readonly timeoutSeconds?: number;
  /** Threads of one operation. Default `0`: as many as the machine has. */
  readonly threads?: number;
}

/** This process's place among the workers of a data-parallel run; pass it to `capture` as `cluster`. */
export interface Cluster {
  readonly workers: readonly string[];
  readonly index: number;
  readonly size: number;
  readonly timeoutSeconds: number;
}

interface Joined extends Cluster {
  readonly context: TensorFlowContext;
  failure: ClusterError | undefined;
}

let joined: Joined | undefined;

const job = 'worker';

/**
 * Starts TensorFlow's own server for this process and joins the others over gRPC. One cluster per process, for its
 * lifetime; the network must be trusted, for TensorFlow's transport neither encrypts nor authenticates.
 *
 * @throws {ClusterError} for an address list that does not fit, a taken port, or a second cluster
 * @throws {ExecutorError} without libtensorflow
 */
export function joinCluster(options: ClusterOptions): Cluster {
  const { workers, index, timeoutSeconds = 300, threads = 0 } = options;
  if (workers.length === 0 || new Set(workers).size !== workers.length) {
    throw new ClusterError(`workers must be distinct host:port addresses, received [${workers}]`);
  }
  const odd = workers.find((address) => !/^[^\s:/]+:\d{1,5}$/.test(address));
  if (odd !== undefined) throw new ClusterError(`'${odd}' is not a host:port address`);
  if (!Number.isInteger(index) || index < 0 || index >= workers.length) {
    throw new ClusterError(`index must be between 0 and ${workers.length - 1}, received ${index}`);
  }
  if (!(timeoutSeconds > 0)) throw new ClusterError('timeoutSeconds must be positive');
  if (joined !== undefined) throw new ClusterError('this process has already joined a cluster');
  const library = loadTensorFlow();
  if (library === undefined) {
    throw new ExecutorError('tensorflow', `a cluster needs TensorFlow: ${tensorFlowProblem()}`);
  }
  // ConfigProto.experimental (16) . collective_group_leader (1)
  const leader = bytes(16, string(1, `/job:${job}/replica:0/task:0`));
  const config = concatBytes([configProto(threads), leader]);
  const tasks = workers.map((address, i) => bytes(2, [varint(1, i), string(2, address)]));
  const server = concatBytes([
    bytes(1, bytes(1, [string(1, job), ...tasks])),
    string(2, job),
    varint(3, index),
    bytes(4, config),
    string(5, 'grpc'),
  ]);
  const context = new TensorFlowContext(library, { config });
  try {
    context.enableCollectives(server);
  } catch (error) {
    throw new ClusterError(
      `worker ${index} could not start at ${workers[index]}: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
  joined = { workers, index, size: workers.length, timeoutSeconds, context, failure: undefined };
  return joined;
}

/** The runtime behind a cluster. */
export function contextOf(cluster: Cluster): TensorFlowContext {
  const known = joined;
  if (known === undefined || known !== cluster) throw new ClusterError('cluster must come from joinCluster');
  if (known.failure !== undefined) throw known.failure;
  return known.context;
}

/**
 * A run that failed because of the cluster. TensorFlow cannot take up collectives again after one was aborted, so every later
 * run fails with the same error.
 */
export function clusterFailure(cluster: Cluster, error: unknown): unknown {
  const { message } = error as Error;
  if (!/collective|unavailable|connection|peer|worker|timed out|deadline/i.test(message)) return error;
  const failure = new ClusterError(
    `a worker of the cluster [${cluster.workers.join(', ')}] was lost and the step did not finish; restart all ` +
      `workers from the last checkpoint. TensorFlow says: ${message}`,
    { cause: error },
  );
  (cluster as Joined).failure = failure;
  return failure;
}
