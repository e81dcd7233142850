-- from the beginning
SELECT "CHANGED_AT", "ID", "SITE", "VERSION" FROM wms.picks WHERE "CHANGED_AT" IS NOT NULL AND "SITE" IS NOT NULL AND "ID" IS NOT NULL ORDER BY "CHANGED_AT", "SITE", "ID" LIMIT 500
-- from a watermark on
SELECT "CHANGED_AT", "ID", "SITE", "VERSION" FROM wms.picks WHERE "CHANGED_AT" >= $1::timestamptz AND "SITE" IS NOT NULL AND "ID" IS NOT NULL ORDER BY "CHANGED_AT", "SITE", "ID" LIMIT 500
--   1: string 2026-07-04T08:00:00.123456Z
-- behind a row
SELECT "CHANGED_AT", "ID", "SITE", "VERSION" FROM wms.picks WHERE "CHANGED_AT" >= $1::timestamptz AND ("CHANGED_AT" > $2::timestamptz OR ("SITE" > $3::text OR ("SITE" = $4::text AND "ID" > $5::bigint))) AND "SITE" IS NOT NULL AND "ID" IS NOT NULL ORDER BY "CHANGED_AT", "SITE", "ID" LIMIT 500
--   1: string 2026-07-04T08:00:00.123456Z
--   2: string 2026-07-04T08:00:00.123456Z
--   3: string dc
--   4: string dc
--   5: string 17
-- the rows of a key
SELECT "CHANGED_AT", "ID", "SITE", "VERSION" FROM wms.picks WHERE "ID" = $1::bigint
--   1: string 17
-- the rows of some keys
SELECT "CHANGED_AT", "ID", "SITE", "VERSION" FROM wms.picks WHERE ("ID" = $1::bigint) OR ("ID" = $2::bigint)
--   1: string 17
--   2: string 18
-- acknowledge by update
UPDATE wms.picks SET told = 1 WHERE ("ID" = $1::bigint) OR ("ID" = $2::bigint)
--   1: string 17
--   2: string 18
-- acknowledge by delete
DELETE FROM wms.picks WHERE ("ID" = $1::bigint)
--   1: string 17
-- rows that are never read
SELECT "CHANGED_AT" FROM wms.picks WHERE "CHANGED_AT" IS NULL OR "SITE" IS NULL OR "ID" IS NULL ORDER BY "CHANGED_AT" LIMIT 1
-- by a row's version
SELECT "CHANGED_AT", "ID", "SITE", "VERSION" FROM wms.picks WHERE "VERSION" >= $1::bytea AND "SITE" IS NOT NULL AND "ID" IS NOT NULL ORDER BY "VERSION", "SITE", "ID" LIMIT 500
--   1: string \x00000000000007d1
-- the newest of it
SELECT MAX("VERSION") FROM wms.picks
-- by a serial number that no float holds
SELECT "CHANGED_AT", "ID", "SITE", "VERSION" FROM wms.picks WHERE "ID" >= $1::bigint AND ("ID" > $2::bigint OR "ID" > $3::bigint) ORDER BY "ID" LIMIT 500
--   1: string 9007199254740993
--   2: string 9007199254740993
--   3: string 9007199254740993
-- the clock
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
-- open transactions
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
  (extract(epoch FROM o.xact_start) * 1000000)::bigint, coalesce('process ' || o.pid || ' of ' || coalesce(o.usename, '') || ' ' || coalesce(o.application_name, ''), ''),
  (SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()), pg_is_in_recovery(), pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
FROM (SELECT 1) one LEFT JOIN LATERAL (SELECT xact_start, pid, usename, application_name FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL AND backend_type NOT IN ('autovacuum worker', 'walsender')
  ORDER BY xact_start LIMIT 1) o ON true
