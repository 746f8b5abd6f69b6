import { type GraphNode, type Program, sizeOf, type Value } from '../../capture/graph.js';

/**
 * Elementwise nodes that are compiled into one loop: one pass over memory instead of one for each node, and no
 * temporaries between them.
 */
export interface Region {
  /** Each after its inputs. A node can be in several regions: cheap values are computed again where they are used. */
  readonly nodes: readonly GraphNode[];
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
}

/** What is emitted in one go: a node, or a region. */
export type Unit = GraphNode | Region;

const elementwise = new Set([
  'Abs', 'Add', 'Erf', 'Exp', 'Expm1', 'Log', 'Log1p', 'Maximum', 'Minimum', 'Multiply', 'Neg', 'RealDiv', 'Reciprocal',
  'Relu', 'Rsqrt', 'Sigmoid', 'Softplus', 'Sqrt', 'Square', 'SquaredDifference', 'Sub', 'Tanh',
]); // biome-ignore format: a table

/** Below this many elements a loop's memory traffic does not matter, and the call would cost more than it saves. */
const smallest = 1 << 16;

/** Elements. A pass over GPT-2's logits took no less wall time as a region; TensorFlow's own operations spread it over threads. */
const largest = 1 << 23;

export interface RegionOptions {
  /** Nodes that another rule fuses better. */
  readonly excluded: (node: GraphNode) => boolean;
  /** Bytes of memory that a value takes where a region reads it. */
  readonly bytes: (value: Value) => number;
  /** True where a region of one or two nodes pays: a conversion would go into it. */
  readonly worthwhile: (region: Region) => boolean;
}

const isLarge = (value: Value) => sizeOf(value.shape) >= smallest;

/** The nodes of a program as units, each after those that it depends on. */
export function planRegions(program: Program, options: RegionOptions): Unit[] {
  const { depth, root } = group(program, options);
  const members = new Map<GraphNode, GraphNode[]>();
  for (const [node, leader] of root) members.set(leader, [...(members.get(leader) ?? []), node]);
  const home = new Map<GraphNode, GraphNode>(root);
  let regions = new Map([...members].map(([leader, nodes]) => [leader, nodes]));
  for (const [leader, nodes] of regions) regions.set(leader, withRecomputed(nodes, regions, home, options));

  const built = () => {
    // Values that someone outside of their own region reads.
    const read = new Set<Value>([...program.fetches, ...program.updates.map(({ value }) => value)]);
    for (const node of program.nodes)
      if (!regions.has(home.get(node) ?? node)) for (const input of node.inputs) read.add(input);
    for (const nodes of regions.values()) for (const input of inputsOf(nodes)) read.add(input);
    return new Map(
      [...regions].map(([leader, nodes]) => {
        const own = nodes.filter((node) => home.get(node) === leader);
        const outputs = own.flatMap((node) => node.outputs.filter((value) => read.has(value)));
        return [leader, { nodes, inputs: inputsOf(nodes), outputs } as Region];
      }),
    );
  };
  // What a small region computes stays with the plain nodes; this can make values of other regions outputs.
  const first = built();
  regions = new Map(
    [...regions].filter(([leader, nodes]) => nodes.length > 2 || options.worthwhile(first.get(leader)!)),
  );
  const final = built();

  const order = program.nodes.map((node, position) => ({ node, position, depth: depth.get(node)! }));
  order.sort((a, b) => a.depth - b.depth || a.position - b.position);
  const units: Unit[] = [];
  const emitted = new Set<GraphNode>();
  for (const { node } of order) {
    const leader = home.get(node);
    const region = leader && final.get(leader);
    if (region === undefined) units.push(node);
    else if (!emitted.has(leader!)) {
      emitted.add(leader!);
      if (region.outputs.length > 0) units.push(region);
    }
  }
  return units;
}

/**
 * Connected elementwise nodes of one shape. The depth of a node counts the borders of groups on the longest way to it;
 * only nodes of equal depth join, so that no way leads out of a group and back into it.
 */
function group(program: Program, { excluded }: RegionOptions) {
  const depth = new Map<GraphNode, number>();
  const leaders = new Map<GraphNode, GraphNode>();
  const find = (node: GraphNode): GraphNode => {
    let leader = node;
    while (leaders.get(leader) !== leader) leader = leaders.get(leader)!;
    return leader;
  };
  const fusible = (node: GraphNode) =>
    elementwise.has(node.op) &&
    isLarge(node.outputs[0]!) &&
    sizeOf(node.outputs[0]!.shape) <= largest &&
    [...node.inputs, ...node.outputs].every(({ dtype }) => dtype === 'float32') &&
    !excluded(node);
  const same = (a: GraphNode, b: GraphNode) => String(a.outputs[0]!.shape) === String(b.outputs[0]!.shape);
  for (const node of program.nodes) {
    const joins = fusible(node);
    if (joins) leaders.set(node, node);
    const near = joins ? node.inputs.filter((v) => leaders.has(v.node) && same(v.node, node)) : [];
    let deepest = 0;
    for (const input of node.inputs)
      deepest = Math.max(deepest, depth.get(input.node)! + (near.includes(input) ? 0 : 1));
    depth.set(node, deepest);
    for (const { node: input } of near)
      if (depth.get(input) === deepest) leaders.set(find(input), find(node));
  }
  const root = new Map<GraphNode, GraphNode>();
  for (const node of leaders.keys()) root.set(node, find(node));
  return { depth, root };
}

/**
 * Inputs that another region computes are computed again here where that leaves less to read: GELU's gate in the
 * backward pass, say. Then nobody keeps them.
 */
function withRecomputed(
  nodes: readonly GraphNode[],
  regions: ReadonlyMap<GraphNode, readonly GraphNode[]>,
  home: ReadonlyMap<GraphNode, GraphNode>,
  { bytes }: RegionOptions,
): GraphNode[] {
  let current = [...nodes];
  const weigh = (list: readonly GraphNode[]) =>
    inputsOf(list)
      .filter(isLarge)
      .reduce((sum, v) => sum + bytes(v), 0);
  const sources = new Set(inputsOf(nodes).flatMap(({ node }) => home.get(node) ?? []));
  for (const source of sources) {
    const wanted = new Set(
      inputsOf(current)
        .filter(({ node }) => home.get(node) === source)
        .map(({ node }) => node),
    );
    const producers = regions.get(source)!;
    for (const node of [...producers].reverse())
      if (wanted.has(node))
        for (const input of node.inputs) if (producers.includes(input.node)) wanted.add(input.node);
    const extended = [...producers.filter((node) => wanted.has(node)), ...current];
    if (weigh(extended) < weigh(current)) current = extended;
  }
  return current;
}

/** What nodes read that none of them computes. */
export function inputsOf(nodes: readonly GraphNode[]): Value[] {
  const own = new Set(nodes);
  return [...new Set(nodes.flatMap((node) => node.inputs.filter((value) => !own.has(value.node))))];
}
