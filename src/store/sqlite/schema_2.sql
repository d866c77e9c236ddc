-- Schema 2: provisioning (requests, organizations at run time, the outbox) and the chained audit log.

-- 'declared' by the configuration file or 'created' at run time.
ALTER TABLE organizations ADD COLUMN origin TEXT NOT NULL DEFAULT 'declared'
    CHECK (origin IN ('declared', 'created'));
ALTER TABLE organizations ADD COLUMN paused_at INTEGER;

-- Identity providers that were added at run time or whose metadata is fetched; one an organization so far.
CREATE TABLE connections (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    -- Empty as long as none could be fetched.
    metadata TEXT NOT NULL,
    options TEXT NOT NULL DEFAULT '{}',
    changed_at INTEGER NOT NULL,
    -- Which identity provider of several in the metadata.
    entity_id TEXT,
    -- Where the metadata is fetched, if it is, and how that goes.
    metadata_url TEXT,
    etag TEXT,
    last_modified TEXT,
    due_at INTEGER NOT NULL DEFAULT 0,
    checked_at INTEGER,
    failures INTEGER NOT NULL DEFAULT 0,
    fault TEXT,
    -- Metadata of another entity ID, for an operator to accept.
    held TEXT,
    -- Until when one node fetches it, and when that was last done because of an unknown key.
    claimed_until INTEGER,
    asked_at INTEGER
) STRICT;

CREATE INDEX connections_of_organization ON connections (organization_id, changed_at);

-- Warnings that were given: each once, by whichever node is first.
CREATE TABLE expiry_warnings (
    subject TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    days INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (subject, fingerprint, days)
) STRICT, WITHOUT ROWID;

CREATE INDEX expiry_warnings_by_age ON expiry_warnings (at);

CREATE TABLE connection_tests (
    request_id TEXT NOT NULL PRIMARY KEY,
    connection_id TEXT NOT NULL,
    agent_id TEXT,
    begun_at INTEGER NOT NULL,
    report TEXT
) STRICT;

CREATE INDEX connection_tests_by_age ON connection_tests (begun_at);

ALTER TABLE properties ADD COLUMN retired_at INTEGER;

-- Address and name in lower case. Filled in by the program, which knows more letters than SQLite.
ALTER TABLE users ADD COLUMN search TEXT;

CREATE INDEX users_without_search ON users (id) WHERE search IS NULL;
CREATE INDEX users_waiting ON users (organization_id, last_sign_on_at)
    WHERE state = 'waiting' AND last_sign_on_at IS NOT NULL;
CREATE INDEX users_of_support ON users (email) WHERE role = 'support';
CREATE INDEX grants_by_end ON grants (until) WHERE until IS NOT NULL;
CREATE INDEX grants_by_scope ON grants (scope);
CREATE INDEX grants_by_level ON grants (level, scope);

-- Whom the identity provider signed on, as it wrote it, and when it said so: what single logout names.
ALTER TABLE sessions ADD COLUMN name_id TEXT;
ALTER TABLE sessions ADD COLUMN name_id_format TEXT;
ALTER TABLE sessions ADD COLUMN name_id_qualifier TEXT;
ALTER TABLE sessions ADD COLUMN name_id_sp_qualifier TEXT;
ALTER TABLE sessions ADD COLUMN asserted_at INTEGER;

CREATE INDEX sessions_by_name_id ON sessions (connection_id, name_id) WHERE name_id IS NOT NULL;

-- Sessions that identity providers have ended (an empty index: all of that name), as long as a sign-on from before
-- may be on its way.
CREATE TABLE provider_logouts (
    connection_id TEXT NOT NULL,
    name_id TEXT NOT NULL,
    session_index TEXT NOT NULL,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (connection_id, name_id, session_index)
) STRICT, WITHOUT ROWID;

CREATE INDEX provider_logouts_by_end ON provider_logouts (expires_at);

-- Whose sessions those were that time has ended, for a day: who comes back with the cookie may leave a form.
CREATE TABLE expired_sessions (
    hash BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expired_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX expired_sessions_by_age ON expired_sessions (expired_at);
CREATE INDEX expired_sessions_of_user ON expired_sessions (user_id);

-- Forms that were sent in sessions that had timed out, sealed, for the same person to send again.
CREATE TABLE held_posts (
    seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    token_hash BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    sealed BLOB NOT NULL,
    held_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX held_posts_of_user ON held_posts (user_id, seq);
CREATE INDEX held_posts_by_end ON held_posts (expires_at);

-- Where people in the Waiting Room say they work.
CREATE TABLE workplaces (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    property_id TEXT,
    description TEXT,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Sign-ons that met a user with another subject.
CREATE TABLE subject_conflicts (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    connection_id TEXT NOT NULL,
    subject_key TEXT NOT NULL,
    reference TEXT NOT NULL,
    name TEXT,
    at INTEGER NOT NULL,
    PRIMARY KEY (user_id, connection_id, subject_key)
) STRICT, WITHOUT ROWID;

CREATE INDEX subject_conflicts_by_reference ON subject_conflicts (reference);
CREATE INDEX subject_conflicts_by_age ON subject_conflicts (at);

CREATE TABLE access_requests (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    email TEXT NOT NULL,
    name TEXT,
    level TEXT NOT NULL,
    note TEXT,
    state TEXT NOT NULL CHECK (state IN ('received', 'in_work', 'needs_info', 'approved', 'denied')),
    agent TEXT,
    reason TEXT,
    proposal TEXT,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    -- What the words of a search are looked for in, in lower case.
    search TEXT NOT NULL
) STRICT;

-- Duplicates merge, so there can be no second open one.
CREATE UNIQUE INDEX access_requests_open ON access_requests (email, scope, organization_id)
    WHERE state IN ('received', 'in_work', 'needs_info');
CREATE INDEX access_requests_by_state ON access_requests (state, created_at);
CREATE INDEX access_requests_by_age ON access_requests (created_at, id);
CREATE INDEX access_requests_of_person ON access_requests (email, created_at);
CREATE INDEX access_requests_of_organization ON access_requests (organization_id, created_at);

CREATE TABLE request_requesters (
    request_id TEXT NOT NULL REFERENCES access_requests (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (request_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX requests_of_requester ON request_requesters (user_id, request_id);

CREATE TABLE request_events (
    id INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL REFERENCES access_requests (id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    kind TEXT NOT NULL,
    note TEXT
) STRICT;

CREATE INDEX events_of_request ON request_events (request_id, id);

-- Messages until they are delivered, and for a while after. Those of one mail have its id from the first try on.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    recipient TEXT NOT NULL,
    topic TEXT NOT NULL,
    notice TEXT NOT NULL,
    key TEXT,
    created_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER NOT NULL,
    mail_id TEXT,
    claimed_until INTEGER,
    error TEXT,
    sent_at INTEGER
) STRICT;

CREATE INDEX outbox_due ON outbox (next_attempt_at, id) WHERE sent_at IS NULL;
CREATE INDEX outbox_waiting ON outbox (id) WHERE sent_at IS NULL;
CREATE INDEX outbox_of_recipient ON outbox (recipient, sent_at);
CREATE INDEX outbox_of_mail ON outbox (mail_id) WHERE mail_id IS NOT NULL;
CREATE INDEX outbox_by_key ON outbox (key, created_at) WHERE key IS NOT NULL;
CREATE INDEX outbox_sent ON outbox (sent_at) WHERE sent_at IS NOT NULL;

-- Rows from before this schema have no hash.
ALTER TABLE audit ADD COLUMN request_id TEXT;
CREATE INDEX audit_by_subject ON audit (subject, seq) WHERE subject IS NOT NULL;
-- Whom a refused sign-on spoke of, for the page of that person.
CREATE INDEX audit_by_claimed_email ON audit (json_extract(details, '$.claimed.email'), seq)
    WHERE json_extract(details, '$.claimed.email') IS NOT NULL;
CREATE INDEX audit_by_claimed_subject ON audit (json_extract(details, '$.claimed.subject'), seq)
    WHERE json_extract(details, '$.claimed.subject') IS NOT NULL;
ALTER TABLE audit ADD COLUMN hash BLOB CHECK (hash IS NULL OR length(hash) = 32);

-- The configuration that was last in force, without secrets, for the audit log to tell what has changed.
CREATE TABLE configuration (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    kept TEXT NOT NULL
) STRICT;

-- The last row that was removed, or zeroes: where the chain begins.
CREATE TABLE audit_anchor (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

INSERT INTO audit_anchor (one, seq, hash) VALUES (1, 0, zeroblob(32));

CREATE TRIGGER audit_is_chained BEFORE INSERT ON audit
WHEN NEW.hash IS NULL
BEGIN
    SELECT RAISE(ABORT, 'an entry of the audit log needs its hash');
END;

DROP TRIGGER audit_is_never_shortened;

CREATE TRIGGER audit_is_shortened_up_to_the_anchor BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only')
    WHERE OLD.seq > (SELECT seq FROM audit_anchor);
END;

CREATE TRIGGER audit_anchor_stands_on_an_entry BEFORE UPDATE ON audit_anchor
BEGIN
    SELECT RAISE(ABORT, 'the audit log is anchored to an entry of its own')
    WHERE NEW.seq <= OLD.seq OR NOT EXISTS
        (SELECT 1 FROM audit WHERE seq = NEW.seq AND COALESCE(hash, zeroblob(32)) = NEW.hash);
END;

CREATE TRIGGER audit_anchor_stays BEFORE DELETE ON audit_anchor
BEGIN
    SELECT RAISE(ABORT, 'the audit log is anchored to an entry of its own');
END;

-- What was found out about refused answers, for support to look at.
CREATE TABLE traces (
    seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    reference TEXT NOT NULL,
    at INTEGER NOT NULL,
    connection_id TEXT,
    report TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX traces_by_reference ON traces (reference);
CREATE INDEX traces_of_connection ON traces (connection_id, seq);
CREATE INDEX traces_by_age ON traces (at);
