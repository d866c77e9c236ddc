-- Schema 1. Times are milliseconds since 1970 (UTC).

CREATE TABLE organizations (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL
) STRICT;

CREATE TABLE organization_domains (
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    domain TEXT NOT NULL,
    PRIMARY KEY (organization_id, position)
) STRICT;

CREATE TABLE properties (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL
) STRICT;

CREATE INDEX properties_of_organization ON properties (organization_id, id);

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name TEXT,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    role TEXT NOT NULL CHECK (role IN ('member', 'support')),
    state TEXT NOT NULL CHECK (state IN ('waiting', 'active', 'disabled')),
    subject_connection TEXT,
    subject_key TEXT,
    access_version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_sign_on_at INTEGER,
    UNIQUE (subject_connection, subject_key),
    CHECK ((subject_connection IS NULL) = (subject_key IS NULL))
) STRICT;

CREATE INDEX users_of_organization ON users (organization_id, email);

-- A property of the user's organization, or '*' for all of them.
CREATE TABLE grants (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    level TEXT NOT NULL,
    until INTEGER,
    PRIMARY KEY (user_id, scope)
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    hash BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    name TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    connection_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    authenticated_at INTEGER NOT NULL,
    methods TEXT NOT NULL,
    return_path TEXT NOT NULL,
    session_index TEXT
) STRICT;

CREATE INDEX sessions_of_user ON sessions (user_id, created_at);
CREATE INDEX sessions_by_age ON sessions (created_at);
CREATE INDEX sessions_by_end ON sessions (ends_at);
CREATE INDEX sessions_by_use ON sessions (last_seen_at);

-- What was used up by sign-ons: each key can be inserted once.
CREATE TABLE consumed_requests (
    request_id TEXT NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX consumed_requests_by_end ON consumed_requests (expires_at);

CREATE TABLE consumed_assertions (
    connection_id TEXT NOT NULL,
    assertion_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (connection_id, assertion_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX consumed_assertions_by_end ON consumed_assertions (expires_at);

CREATE TABLE handoffs (
    code_hash BLOB NOT NULL PRIMARY KEY CHECK (length(code_hash) = 32),
    request_id TEXT NOT NULL,
    payload BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX handoffs_by_end ON handoffs (expires_at);

CREATE TABLE identity_keys (
    kid TEXT NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    signs_from INTEGER NOT NULL,
    retires_at INTEGER
) STRICT;

-- Numbers are never given twice (AUTOINCREMENT), and the newest line is never purged, so positions only grow.
CREATE TABLE changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('user', 'directory', 'keys')),
    user_id TEXT,
    at INTEGER NOT NULL,
    CHECK ((kind = 'user') = (user_id IS NOT NULL))
) STRICT;

CREATE INDEX changes_by_age ON changes (at);

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    action TEXT NOT NULL,
    actor TEXT NOT NULL,
    subject TEXT,
    reason TEXT,
    reference TEXT,
    details TEXT NOT NULL
) STRICT;

CREATE INDEX audit_by_reference ON audit (reference) WHERE reference IS NOT NULL;

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

CREATE TRIGGER audit_is_never_shortened BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
