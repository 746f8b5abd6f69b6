/** `--name value` pairs and bare `--flags` of a recipe's command line. */
export function recipeArguments(): {
  text(name: string, fallback: string): string;
  number(name: string, fallback: number): number;
  flag(name: string): boolean;
} {
  const args = process.argv.slice(2);
  const given = (name: string) => {
    const at = args.indexOf(`--${name}`);
    return at < 0 ? undefined : args[at + 1];
  };
  return {
    text: (name, fallback) => given(name) ?? fallback,
    number(name, fallback) {
      const value = Number(given(name) ?? fallback);
      if (!Number.isFinite(value)) throw new Error(`--${name} needs a number`);
      return value;
    },
    flag: (name) => args.includes(`--${name}`),
  };
}
