// memory-outcome.js - what has come of the memory: an answer, or another round. Cypher can't remove a property whose
// name it computes, so a node that has props too many is written in a second round, their names then known.
const item = $('Statement').first().json;

function stored([repeated, wins, gone, embedding_state]) {
  if (!repeated && wins && gone.length > 0) return { ...item, next: 'again', gone };
  const superseded = !repeated && !wins;
  const status = repeated ? 'repeated' : superseded ? 'superseded' : 'stored';
  return answer(200, { status, id: item.id, superseded, embedding_state });
}

return [{ json: outcome($input.first().json, item, stored) }];
