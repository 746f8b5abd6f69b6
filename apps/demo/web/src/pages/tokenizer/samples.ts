export const samples = [
  {
    name: 'English',
    text: 'Tokenizers are the strangest part of a language model: unhappiness, antidisestablishmentarianism, 1234567 + 89.\nWhy can it not spell “strawberry”?',
  },
  {
    name: 'Languages',
    text: 'The quick brown fox. Der schnelle braune Fuchs. 敏捷的棕色狐狸跳过懒狗。 Быстрая лиса. すばやい茶色の狐。 الثعلب البني السريع',
  },
  {
    name: 'Code',
    text: "export function fibonacci(n: number): number {\n    // naive\n    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);\n}\n\nconsole.log(fibonacci(12) === 144 ? 'ok' : 'wrong');",
  },
  {
    name: 'Emoji and spaces',
    text: '👩‍👩‍👧‍👦 family, 🇨🇭 flag, café ≠ café,    four spaces,\n\n\tone tab, ¯\\_(ツ)_/¯',
  },
] as const;
