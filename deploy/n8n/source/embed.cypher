UNWIND $rows AS row
MATCH (m:Memory {id: row.id})
SET m.id = row.id // takes the lock before m.stamp is read
WITH m, row
WHERE m.stamp = row.stamp AND m.origin = row.origin AND m.embedding_state = 'pending'
SET m += row.set
