-- from the beginning
SELECT `CHANGED_AT`, `ID`, `SITE`, `VERSION` FROM wms.picks WHERE `CHANGED_AT` IS NOT NULL AND `SITE` IS NOT NULL AND `ID` IS NOT NULL ORDER BY `CHANGED_AT`, `SITE`, `ID` LIMIT 500
-- from a watermark on
SELECT `CHANGED_AT`, `ID`, `SITE`, `VERSION` FROM wms.picks WHERE `CHANGED_AT` >= ? AND `SITE` IS NOT NULL AND `ID` IS NOT NULL ORDER BY `CHANGED_AT`, `SITE`, `ID` LIMIT 500
--   1: string 2026-07-04T08:00:00.123456
-- behind a row
SELECT `CHANGED_AT`, `ID`, `SITE`, `VERSION` FROM wms.picks WHERE `CHANGED_AT` >= ? AND (`CHANGED_AT` > ? OR (`SITE` > ? OR (`SITE` = ? AND `ID` > ?))) AND `SITE` IS NOT NULL AND `ID` IS NOT NULL ORDER BY `CHANGED_AT`, `SITE`, `ID` LIMIT 500
--   1: string 2026-07-04T08:00:00.123456
--   2: string 2026-07-04T08:00:00.123456
--   3: string dc
--   4: string dc
--   5: int64 17
-- the rows of a key
SELECT `CHANGED_AT`, `ID`, `SITE`, `VERSION` FROM wms.picks WHERE `ID` = ?
--   1: int64 17
-- the rows of some keys
SELECT `CHANGED_AT`, `ID`, `SITE`, `VERSION` FROM wms.picks WHERE (`ID` = ?) OR (`ID` = ?)
--   1: int64 17
--   2: int64 18
-- acknowledge by update
UPDATE wms.picks SET told = 1 WHERE (`ID` = ?) OR (`ID` = ?)
--   1: int64 17
--   2: int64 18
-- acknowledge by delete
DELETE FROM wms.picks WHERE (`ID` = ?)
--   1: int64 17
-- rows that are never read
SELECT `CHANGED_AT` FROM wms.picks WHERE `CHANGED_AT` IS NULL OR `SITE` IS NULL OR `ID` IS NULL ORDER BY `CHANGED_AT` LIMIT 1
-- by a row's version
SELECT `CHANGED_AT`, `ID`, `SITE`, `VERSION` FROM wms.picks WHERE `VERSION` >= ? AND `SITE` IS NOT NULL AND `ID` IS NOT NULL ORDER BY `VERSION`, `SITE`, `ID` LIMIT 500
--   1: []uint8 [0 0 0 0 0 0 7 209]
-- the newest of it
SELECT MAX(`VERSION`) FROM wms.picks
-- by a serial number that no float holds
SELECT `CHANGED_AT`, `ID`, `SITE`, `VERSION` FROM wms.picks WHERE `ID` >= ? AND (`ID` > ? OR `ID` > ?) ORDER BY `ID` LIMIT 500
--   1: int64 9007199254740993
--   2: int64 9007199254740993
--   3: int64 9007199254740993
-- the clock
SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000
-- open transactions

