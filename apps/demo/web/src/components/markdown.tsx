import { useEffect, useState } from 'react';
import './markdown.css';

/** Markdown of a model, made harmless. The two libraries are fetched when first needed. */
export function Markdown({ text }: { text: string }) {
  const [html, setHtml] = useState<string>();
  useEffect(() => {
    let current = true;
    void Promise.all([import('marked'), import('dompurify')]).then(
      async ([{ marked }, { default: purify }]) => {
        const clean = purify.sanitize(await marked.parse(text, { breaks: true }), {
          FORBID_TAGS: ['img', 'style'],
        });
        if (current) setHtml(clean);
      },
    );
    return () => {
      current = false;
    };
  }, [text]);
  if (html === undefined) return <p className="answer-text">{text}</p>;
  // biome-ignore lint/security/noDangerouslySetInnerHtml: sanitised above
  return <div className="markdown" dangerouslySetInnerHTML={{ __html: html }} />;
}
