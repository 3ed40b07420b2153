// text.js - what of a content is embedded.
const WORD_MAX = 256;  // characters: one word of 100,000 would keep Ollama busy for minutes
const TEXT_MAX = 8192; // characters: about a model's context of 2048 tokens

// Over-long words broken, and cut between two words.
function textToEmbed(content) {
  const text = content.replace(new RegExp(`\\S{${WORD_MAX}}`, 'gu'), '$& ');
  return text.length <= TEXT_MAX ? text : text.slice(0, TEXT_MAX).replace(/\S*$/, '');
}
