-- Who may come as a site: one-time tokens, the certificates that were given out, and what was refused.

-- +goose Up
-- token_hash is the SHA-256 of the token's secret part; the secret itself is nowhere. key_hash is that of the key which used it: the
-- same key gets the same answer again, another one is a thief. void_at: replaced by a newer token, or revoked.
CREATE TABLE site_token (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    token_hash  {{text}} NOT NULL,
    created_at  BIGINT NOT NULL,
    created_by  {{text}} NOT NULL DEFAULT '',
    expires_at  BIGINT NOT NULL,
    void_at     BIGINT NOT NULL DEFAULT 0,
    used_at     BIGINT NOT NULL DEFAULT 0,
    key_hash    {{text}} NOT NULL DEFAULT '',
    address     {{text}} NOT NULL DEFAULT '',
    host        {{text}} NOT NULL DEFAULT '',
    serial      {{text}} NOT NULL DEFAULT '',
    PRIMARY KEY (tenant, site, token_hash)
);
-- issuer is the key id of the authority that signed it; via is enrol, renew, grace or csr.
CREATE TABLE site_certificate (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    serial      {{text}} NOT NULL,
    issuer      {{text}} NOT NULL,
    not_after   BIGINT NOT NULL,
    key_hash    {{text}} NOT NULL,
    via         {{text}} NOT NULL,
    address     {{text}} NOT NULL DEFAULT '',
    host        {{text}} NOT NULL DEFAULT '',
    issued_at   BIGINT NOT NULL,
    revoked_at  BIGINT NOT NULL DEFAULT 0,
    pem         {{text}} NOT NULL,
    PRIMARY KEY (tenant, site, serial)
);
-- revoked_at: no certificate issued before it counts any more. allowed_until: till then an expired certificate renews however old it is.
CREATE TABLE site_identity (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    revoked_at  BIGINT NOT NULL DEFAULT 0,
    revoked     BIGINT NOT NULL DEFAULT 0,
    revoked_by  {{text}} NOT NULL DEFAULT '',
    reason      {{text}} NOT NULL DEFAULT '',
    allowed_until BIGINT NOT NULL DEFAULT 0,
    allowed_by  {{text}} NOT NULL DEFAULT '',
    changed_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant, site)
);
-- What was refused in a site's name, one row a kind; closed when nobody has tried for a day, or a person has acted.
CREATE TABLE site_attempt (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    code        {{text}} NOT NULL,
    address     {{text}} NOT NULL,
    detail      {{text}} NOT NULL,
    count       BIGINT NOT NULL,
    first_at    BIGINT NOT NULL,
    last_at     BIGINT NOT NULL,
    closed_at   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, site, code)
);
