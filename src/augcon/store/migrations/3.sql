-- How much of a node's text its span of the document explains; nobody wrote it down before.

ALTER TABLE nodes ADD COLUMN explained REAL NOT NULL DEFAULT 1.0;

-- Every question has its granularity, and not its answer alone: by its node's share of the root,
-- and by its length.

ALTER TABLE questions RENAME TO earlier_questions;
CREATE TABLE questions (
    root_id TEXT NOT NULL,
    pass INTEGER NOT NULL,
    id TEXT NOT NULL,
    context_id TEXT NOT NULL,
    text TEXT NOT NULL,
    granularity TEXT NOT NULL,
    score REAL NOT NULL,
    place INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (root_id, pass, id)
) WITHOUT ROWID;
WITH shares AS (
    SELECT n.root_id, n.pass, n.id, n.units,
        MIN(1.0 * (n."end" - n.start) / (c."end" - c.start), 1.0 * n.units / c.units) AS share
    FROM nodes n JOIN contexts c ON c.id = n.root_id
)
INSERT INTO questions SELECT
    q.root_id, q.pass, q.id, q.context_id, q.text,
    CASE
        WHEN s.share >= 0.5 AND s.units >= 100 THEN 'macro'
        WHEN s.share >= 0.15 AND s.units >= 40 THEN 'concept'
        ELSE 'detail'
    END,
    q.score, q.place, q.state, q.reason, q.detail
FROM earlier_questions q
LEFT JOIN shares s ON s.root_id = q.root_id AND s.pass = q.pass AND s.id = q.context_id;
DROP TABLE earlier_questions;

-- What the check of an answer against its context found; the answers that are there had none.
ALTER TABLE answers RENAME TO earlier_answers;
CREATE TABLE answers (
    root_id TEXT NOT NULL,
    question_id TEXT NOT NULL,
    pair_id TEXT NOT NULL,
    text TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    verification TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (root_id, question_id)
) WITHOUT ROWID;
INSERT INTO answers SELECT root_id, question_id, pair_id, text, state, reason, detail, ''
FROM earlier_answers;
DROP TABLE earlier_answers;
