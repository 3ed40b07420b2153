// embed-texts.js - memories that wait for a vector as texts for Ollama; none ends the workflow.
const waiting = ($input.first().json.body?.results?.[0]?.data ?? []).map(({ row }) => row);
const memories = waiting.map(([id, content, stamp, origin]) => ({ id, stamp, origin, text: textToEmbed(content) }))
  .filter(({ text }) => text.trim() !== '');
return memories.length === 0 ? [] : [{ json: { memories, texts: memories.map(({ text }) => text) } }];
