/** One text on its way through the corpus. */
export interface Document {
  /** Unique in its source, given or made from the file and record number. */
  id: string;
  text: string;
  /** Name of the source it came from. */
  source?: string;
  /** Where it was published; its host counts as domain in the diversity report. */
  url?: string;
  /** ISO 639-1 code, as found by language identification. */
  language?: string;
  /** What a quality classifier said, 0 to 1. */
  quality?: number;
}
