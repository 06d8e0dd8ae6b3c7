-- Answers that were written for a question and are not its answer. Those of earlier runs were not
-- kept, so that each question counts for the one answer that is there.

ALTER TABLE answers ADD COLUMN asked INTEGER NOT NULL DEFAULT 1;

CREATE TABLE drafts (
    root_id TEXT NOT NULL,
    question_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    text TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    verification TEXT NOT NULL,
    PRIMARY KEY (root_id, question_id, number)
) WITHOUT ROWID;
