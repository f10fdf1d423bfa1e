-- Drop a day's partition, which is refused unless a segment written in this transaction's view holds as many rows as it does.
-- Nobody writes to the table between the count and the drop, even one who writes by hand and does not hold the day.
CREATE OR REPLACE FUNCTION marketdata_drop_day(p_dataset text, p_day date, p_segment uuid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  day_table text := marketdata_day_table(p_dataset, p_day);
  archived bigint;
  held bigint;
BEGIN
  PERFORM marketdata_hold_day(p_dataset, p_day, true);
  IF to_regclass(day_table) IS NULL THEN
    RETURN 0;
  END IF;
  EXECUTE format('LOCK TABLE %I IN SHARE ROW EXCLUSIVE MODE', day_table);  -- readers go on, writers end first
  EXECUTE format('SELECT count(*) FROM %I', day_table) INTO held;
  SELECT rows INTO archived FROM marketdata_archivesegment WHERE id = p_segment AND dataset = p_dataset AND day = p_day;
  IF held > 0 AND archived IS DISTINCT FROM held THEN
    RAISE EXCEPTION '% of % has % rows and the segment %', p_dataset, p_day, held, coalesce(archived::text, 'is missing')
      USING ERRCODE = 'restrict_violation';
  END IF;
  EXECUTE format('DROP TABLE %I', day_table);
  RETURN held;
END $$;
