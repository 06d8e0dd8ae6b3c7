-- What the check of an answer against its context found; the answers that are there had none.

ALTER TABLE answers ADD COLUMN verification TEXT NOT NULL DEFAULT '';
