// alert-outcome.js - what has come of the alert. One that nobody was told of yet is handed on; only then is it noted
// as told, so that nobody misses one: memferry sends again what was not answered.
const item = $('Statement').first().json;

function stored([news, waits]) {
  if (waits) return { ...item, next: 'hand on' };
  return answer(200, { status: news ? 'stored' : 'repeated', id: item.id });
}

return [{ json: outcome($input.first().json, item, stored) }];
