// The package's own types are not reachable through its `exports` map.
declare module 'eld/small' {
  export const eld: {
    detect(text: string): { language: string; isReliable(): boolean; getScores(): Record<string, number> };
  };
}
