/** The use cases of InstructGPT's prompts (Ouyang et al. 2022, table 1). */
export const useCases = [
  'generation',
  'open-qa',
  'brainstorming',
  'chat',
  'rewrite',
  'summarization',
  'classification',
  'other',
  'closed-qa',
  'extract',
] as const;

export type UseCase = (typeof useCases)[number];

/** Shares in the paper's reward-model data, percent; they sum to 99.6 as printed. */
export const instructGPTShares: Readonly<Record<UseCase, number>> = {
  generation: 45.6,
  'open-qa': 12.4,
  brainstorming: 11.2,
  chat: 8.4,
  rewrite: 6.6,
  summarization: 4.2,
  classification: 3.5,
  other: 3.5,
  'closed-qa': 2.6,
  extract: 1.9,
};

/** First cue that is found wins, hence the order: the specific before the general. */
const cues: readonly (readonly [UseCase, RegExp])[] = [
  [
    'chat',
    /^\s*(?:human|user|you|me)\s*:[\s\S]*\n\s*(?:assistant|ai|bot|friend)\s*:|\bpretend (?:to be|you)|\bchat(?:bot)? with\b/iu,
  ],
  ['summarization', /\b(?:summari[sz]e|summary|tl;?dr|in one sentence|main points?)\b/iu],
  [
    'classification',
    /\b(?:classify|categori[sz]e|sentiment|which category|label (?:the|each)|rate (?:the|how)|is (?:this|it) (?:positive|negative|spam))\b/iu,
  ],
  ['extract', /\b(?:extract|pull out|list all the \w+ (?:in|from|mentioned)|find all)\b/iu],
  [
    'rewrite',
    /\b(?:rewrite|rephrase|paraphrase|translate|convert|correct the|fix the|edit (?:this|the)|make (?:this|it) (?:more|less|shorter|longer))\b/iu,
  ],
  [
    'brainstorming',
    /\b(?:brainstorm|ideas?|suggest(?:ions?)?|list (?:\w+ )?(?:\d+|some|a few|several|five|ten)|give me (?:\d+|some|a few|several|five|ten)|ways to|names for)\b/iu,
  ],
  [
    'closed-qa',
    /\b(?:according to|based on) (?:the|this)\b|\b(?:passage|context|paragraph|text|article)\s*:[\s\S]*\?/iu,
  ],
  ['generation', /\b(?:write|compose|create|draft|generate|tell (?:me )?a (?:story|joke)|continue)\b/iu],
  [
    'open-qa',
    /\?\s*$|^\s*(?:who|what|when|where|why|how|which|is|are|was|were|do|does|did|can|could|should|would)\b/iu,
  ],
];

/**
 * The use case that a prompt's wording points to, `other` when none does. Word cues, no model: right for plain requests,
 * and only as good as that; labels given by people go first wherever there are any.
 */
export const guessUseCase = (prompt: string): UseCase =>
  cues.find(([, cue]) => cue.test(prompt))?.[0] ?? 'other';
