-- from the beginning
SELECT [CHANGED_AT], [ID], [SITE], [VERSION] FROM wms.picks WHERE [CHANGED_AT] IS NOT NULL AND [SITE] IS NOT NULL AND [ID] IS NOT NULL ORDER BY [CHANGED_AT], [SITE], [ID] OFFSET 0 ROWS FETCH NEXT 500 ROWS ONLY
-- from a watermark on
SELECT [CHANGED_AT], [ID], [SITE], [VERSION] FROM wms.picks WHERE [CHANGED_AT] >= CAST(@p1 AS datetime2(7)) AND [SITE] IS NOT NULL AND [ID] IS NOT NULL ORDER BY [CHANGED_AT], [SITE], [ID] OFFSET 0 ROWS FETCH NEXT 500 ROWS ONLY
--   1: string 2026-07-04T08:00:00.123456
-- behind a row
SELECT [CHANGED_AT], [ID], [SITE], [VERSION] FROM wms.picks WHERE [CHANGED_AT] >= CAST(@p1 AS datetime2(7)) AND ([CHANGED_AT] > CAST(@p2 AS datetime2(7)) OR ([SITE] > @p3 OR ([SITE] = @p4 AND [ID] > @p5))) AND [SITE] IS NOT NULL AND [ID] IS NOT NULL ORDER BY [CHANGED_AT], [SITE], [ID] OFFSET 0 ROWS FETCH NEXT 500 ROWS ONLY
--   1: string 2026-07-04T08:00:00.123456
--   2: string 2026-07-04T08:00:00.123456
--   3: string dc
--   4: string dc
--   5: int64 17
-- the rows of a key
SELECT [CHANGED_AT], [ID], [SITE], [VERSION] FROM wms.picks WHERE [ID] = @p1
--   1: int64 17
-- the rows of some keys
SELECT [CHANGED_AT], [ID], [SITE], [VERSION] FROM wms.picks WHERE ([ID] = @p1) OR ([ID] = @p2)
--   1: int64 17
--   2: int64 18
-- acknowledge by update
UPDATE wms.picks SET told = 1 WHERE ([ID] = @p1) OR ([ID] = @p2)
--   1: int64 17
--   2: int64 18
-- acknowledge by delete
DELETE FROM wms.picks WHERE ([ID] = @p1)
--   1: int64 17
-- rows that are never read
SELECT [CHANGED_AT] FROM wms.picks WHERE [CHANGED_AT] IS NULL OR [SITE] IS NULL OR [ID] IS NULL ORDER BY [CHANGED_AT] OFFSET 0 ROWS FETCH NEXT 1 ROWS ONLY
-- by a row's version
SELECT [CHANGED_AT], [ID], [SITE], [VERSION] FROM wms.picks WHERE [VERSION] >= CONVERT(varbinary(8000), @p1, 1) AND [SITE] IS NOT NULL AND [ID] IS NOT NULL ORDER BY [VERSION], [SITE], [ID] OFFSET 0 ROWS FETCH NEXT 500 ROWS ONLY
--   1: string 0x00000000000007d1
-- the newest of it
SELECT MAX([VERSION]) FROM wms.picks
-- by a serial number that no float holds
SELECT [CHANGED_AT], [ID], [SITE], [VERSION] FROM wms.picks WHERE [ID] >= @p1 AND ([ID] > @p2 OR [ID] > @p3) ORDER BY [ID] OFFSET 0 ROWS FETCH NEXT 500 ROWS ONLY
--   1: int64 9007199254740993
--   2: int64 9007199254740993
--   3: int64 9007199254740993
-- by a time in ticks
SELECT [CHANGED_AT], [ID], [SITE], [VERSION] FROM wms.picks WHERE [CHANGED_AT] >= CAST(@p1 AS datetime) AND [ID] IS NOT NULL ORDER BY [CHANGED_AT], [ID] OFFSET 0 ROWS FETCH NEXT 500 ROWS ONLY
--   1: string 2026-07-04T08:00:00.007
-- the clock
SELECT DATEDIFF_BIG(MICROSECOND, '1970-01-01', SYSUTCDATETIME())
-- open transactions
SELECT DATEDIFF_BIG(MICROSECOND, '1970-01-01', SYSUTCDATETIME()),
  (SELECT DATEDIFF_BIG(MICROSECOND, MIN(t.transaction_begin_time), SYSDATETIME()) FROM sys.dm_tran_active_transactions t
   JOIN sys.dm_tran_database_transactions d ON d.transaction_id = t.transaction_id AND d.database_id = DB_ID()
   LEFT JOIN sys.dm_tran_session_transactions s ON s.transaction_id = t.transaction_id WHERE COALESCE(s.session_id, 0) <> @@SPID),
  CONVERT(varchar(18), MIN_ACTIVE_ROWVERSION(), 1)
