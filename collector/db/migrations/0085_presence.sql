-- Who spoke last: a late word of an old session, or one that was overtaken within a session, changes nothing.

-- +goose Up
-- By the site's own clock: when its session was born and when its last heartbeat was sent. beat is the number of that one.
ALTER TABLE presence ADD COLUMN birth_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE presence ADD COLUMN said_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE presence ADD COLUMN beat BIGINT NOT NULL DEFAULT 0;
-- The will of the session was spoken: nothing of it counts any more.
ALTER TABLE presence ADD COLUMN ended BIGINT NOT NULL DEFAULT 0;
-- When the newest point of the history was made, and what it says.
ALTER TABLE presence ADD COLUMN point_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE presence ADD COLUMN point_mark {{text}} NOT NULL DEFAULT '';
-- Sessions of a site that a newer one has followed.
CREATE TABLE site_session (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    session     {{text}} NOT NULL,
    followed_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, site, session)
);
-- The history of a site, thinned: a point where something changed, and one for each interval. mark names what was wrong.
CREATE TABLE site_point (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    at          BIGINT NOT NULL,
    online      BIGINT NOT NULL,
    backlog     BIGINT NOT NULL,
    oldest_at   BIGINT NOT NULL,
    severity    BIGINT NOT NULL,
    mark        {{text}} NOT NULL,
    PRIMARY KEY (tenant, site, at)
);
CREATE INDEX site_point_at ON site_point (at);
-- Collectors that listen to the line, since when, and when that was last so: a site is not silent while nobody listens.
CREATE TABLE listener (
    holder      {{text}} NOT NULL,
    since       BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL,
    PRIMARY KEY (holder)
);
