/** Identification looks at no more than this many characters of a text: more changes nothing and costs time. */
const sampleLength = 1500;

type Detector = (text: string) => { language: string; isReliable(): boolean };
let detector: Promise<Detector> | undefined;

/** Loads the language tables (about 1.6 MB) at the first call. */
export function loadLanguageDetector(): Promise<(text: string) => string> {
  detector ??= import('eld/small').then(
    ({ eld }) =>
      (text) =>
        eld.detect(text),
  );
  return detector.then((detect) => (text) => {
    // From the middle: beginnings are often titles, licences and navigation.
    const start = text.length > 2 * sampleLength ? Math.floor((text.length - sampleLength) / 2) : 0;
    const result = detect(text.slice(start, start + sampleLength));
    return result.language === '' ? 'und' : result.language;
  });
}

/** ISO 639-1 code of the language of a text, `'und'` when undetermined. By eld (n-grams, 60 languages). */
export async function identifyLanguage(text: string): Promise<string> {
  return (await loadLanguageDetector())(text);
}
