import { existsSync, readFileSync } from 'node:fs';
import { defineConfig } from 'vitepress';
import { sourceFences } from './source.mjs';

const api = new URL('../api/sidebar.json', import.meta.url);

export default defineConfig({
  title: 'GPT Lineage',
  description: 'The GPT family, from GPT-1 to GPT-4V, as small TypeScript packages',
  cleanUrls: true,
  lastUpdated: false,
  markdown: { math: true, config: (md) => md.use(sourceFences) },
  srcExclude: ['README.md'],
  themeConfig: {
    search: { provider: 'local' },
    nav: [
      { text: 'Guide', link: '/guide/' },
      { text: 'Recipes', link: '/recipes' },
      { text: 'Comparison', link: '/comparison' },
      { text: 'API', link: '/api/' },
      { text: '中文', link: '/zh/' },
    ],
    sidebar: {
      '/guide/': [
        {
          text: 'The lineage',
          items: [
            { text: 'Overview', link: '/guide/' },
            { text: 'GPT-1: pretrain, then fine-tune', link: '/guide/gpt-1' },
            { text: 'GPT-2: bytes and zero shots', link: '/guide/gpt-2' },
            { text: 'GPT-3: scale, sparsity, few shots', link: '/guide/gpt-3' },
            { text: 'InstructGPT: human feedback', link: '/guide/instructgpt' },
            { text: 'GPT-4: rules, reasoning, recurrence', link: '/guide/gpt-4' },
            { text: 'GPT-4V: images and marks', link: '/guide/gpt-4v' },
          ],
        },
        {
          text: 'Under it all',
          items: [
            { text: 'Compute: backends and captured graphs', link: '/guide/compute' },
            { text: 'Corpus: from documents to tokens', link: '/guide/corpus' },
            { text: 'Evaluation', link: '/guide/evaluation' },
          ],
        },
      ],
      '/api/': existsSync(api) ? JSON.parse(readFileSync(api, 'utf8')) : [],
    },
    outline: [2, 3],
  },
});
