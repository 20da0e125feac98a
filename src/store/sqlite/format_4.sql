-- What decides is found in its order: the most urgent review, and what waits for something other than an answer.
CREATE INDEX reviews ON tasks (priority, changed_at, key) WHERE state = 'review';
CREATE INDEX paused ON tasks (key) WHERE state = 'waiting' AND wait_for <> 'answer';
-- Tokens: which token of a server registered an agent or a session; NULL where it was the account itself or an operator.

ALTER TABLE agents ADD COLUMN registered_by TEXT;
ALTER TABLE sessions ADD COLUMN registered_by TEXT;
