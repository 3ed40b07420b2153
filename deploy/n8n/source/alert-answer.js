// alert-answer.js - after an alert was handed on.
return [{ json: { status: 200, body: { status: 'stored', id: $('Check').first().json.id } } }];
