import { describe, expect, it } from 'vitest';
import {
  chainOfThoughtPrompt,
  chatML,
  extractAnswer,
  fewShotPrompt,
  harmony,
  humanAssistant,
  jinjaTemplate,
  type LanguageModel,
  selfConsistency,
  templateFromTokenizerConfig,
} from '../../src/index.js';

describe('fewShotPrompt', () => {
  const examples = [
    { input: 'sea otter', output: 'loutre de mer' },
    { input: 'peppermint', output: 'menthe poivrée' },
    { input: 'plush giraffe', output: 'girafe peluche' },
  ];
  const style = { instruction: 'Translate English to French:', outputPrefix: ' => ', separator: '\n' };

  it("writes the paper's zero-, one- and few-shot prompts", () => {
    expect(fewShotPrompt('cheese', style)).toEqual({
      text: 'Translate English to French:\ncheese =>',
      shots: 0,
      dropped: 0,
    });
    expect(fewShotPrompt('cheese', { ...style, examples: examples.slice(0, 1) }).text).toBe(
      'Translate English to French:\nsea otter => loutre de mer\ncheese =>',
    );
    expect(fewShotPrompt('cheese', { ...style, examples }).shots).toBe(3);
  });

  it('drops the oldest examples until it fits, and says so', () => {
    const count = (text: string) => text.length;
    const { text, shots, dropped } = fewShotPrompt('cheese', { ...style, examples, maxTokens: 80, count });
    expect({ shots, dropped }).toEqual({ shots: 1, dropped: 2 });
    expect(text).toBe('Translate English to French:\nplush giraffe => girafe peluche\ncheese =>');
    expect(() => fewShotPrompt('cheese', { ...style, maxTokens: 10, count })).toThrow(/alone are longer/);
    expect(() => fewShotPrompt('cheese', { maxTokens: 10 })).toThrow(/counts tokens/);
  });
});

describe('chat templates', () => {
  const messages = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Hi' },
    { role: 'assistant', content: 'Hello.' },
    { role: 'user', content: 'Bye' },
  ];

  it('render', () => {
    expect(chatML.render(messages, { addGenerationPrompt: true })).toBe(
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n' +
        '<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n',
    );
    expect(humanAssistant.render(messages, { addGenerationPrompt: true })).toBe(
      'Be brief.\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: Bye\n\nAssistant:',
    );
    expect(harmony.render(messages.slice(1, 3))).toBe(
      '<|start|>user<|message|>Hi<|end|><|start|>assistant<|channel|>final<|message|>Hello.<|end|>',
    );
  });

  it('come from tokenizer_config.json', () => {
    const source =
      "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'tool' %}{{ raise_exception('no tools') }}{% endif %}" +
      "[{{ m['role'] }}]{{ m['content'] | trim }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";
    const config = { bos_token: { content: '<s>' }, eos_token: '</s>', chat_template: source };
    const template = templateFromTokenizerConfig(config)!;
    expect(template.stop).toEqual(['</s>']);
    expect(template.render([{ role: 'user', content: ' x ' }], { addGenerationPrompt: true })).toBe(
      '<s>[user]x[assistant]',
    );
    expect(() => template.render([{ role: 'tool', content: '' }])).toThrow(/refuses the messages: no tools/);
    const several = {
      chat_template: [
        { name: 'default', template: 'a' },
        { name: 'tool_use', template: 'b' },
      ],
    };
    expect(templateFromTokenizerConfig(several, 'tool_use')!.render(messages)).toBe('b');
    expect(templateFromTokenizerConfig({})).toBeUndefined();
    expect(() => jinjaTemplate('{% for %}')).toThrow(/not valid Jinja/);
    expect(() => chatML.render([])).toThrow(/at least one message/);
    expect(() => chatML.render([{ role: 'user' } as never])).toThrow(/messages\[0\]/);
  });
});

describe('chain of thought', () => {
  it('asks for steps, with and without examples', () => {
    expect(chainOfThoughtPrompt('2 + 2?')).toBe("Q: 2 + 2?\nA: Let's think step by step.");
    const examples = [{ question: '1 + 1?', reasoning: 'One and one is two.', answer: '2' }];
    expect(chainOfThoughtPrompt('2 + 2?', { examples })).toBe(
      'Q: 1 + 1?\nA: One and one is two. The answer is 2.\n\nQ: 2 + 2?\nA:',
    );
  });

  it('finds the last answer', () => {
    expect(extractAnswer('So the answer is 3. No: The answer is: 42.\nQ: next')).toBe('42');
    expect(extractAnswer('no answer here')).toBeUndefined();
  });

  it('votes', async () => {
    const said = ['The answer is 4.', 'The answer is 5.', 'nothing', 'The answer is 4'];
    const model = {
      complete: async (_: unknown, { n }: { n: number }) => [
        said.slice(0, n).map((text) => ({ text, tokenIds: [], logProbs: [], finishReason: 'stop' as const })),
      ],
    } as unknown as LanguageModel;
    const result = await selfConsistency(model, 'Q', { paths: 4 });
    expect(result).toMatchObject({ answer: '4', confidence: 0.5 });
    expect([...result.votes]).toEqual([
      ['4', 2],
      ['5', 1],
    ]);
    expect(
      (await selfConsistency(model, 'Q', { paths: 1, extract: () => undefined })).answer,
    ).toBeUndefined();
  });
});
