-- Make a day's partition where there is none, and say whether it had to be made. Attached rather than created in place, so that
-- nobody who reads or writes other days waits. The second look is a query: what another session has made while we waited is not
-- yet known to to_regclass.
CREATE OR REPLACE FUNCTION marketdata_add_day(p_dataset text, p_day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  day_table text := marketdata_day_table(p_dataset, p_day);
  parent text := 'marketdata_' || rtrim(p_dataset, 's');
BEGIN
  IF to_regclass(day_table) IS NOT NULL THEN
    RETURN false;
  END IF;
  IF p_day NOT BETWEEN date '1970-01-01' AND current_date + 8 THEN
    RAISE EXCEPTION '% is no day that prices are kept for', p_day USING ERRCODE = 'datetime_field_overflow';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('marketdata_add_day:' || p_dataset, 0));
  IF EXISTS (SELECT FROM pg_class WHERE relname = day_table AND relnamespace = 'public'::regnamespace) THEN
    RETURN false;
  END IF;
  EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)', day_table, parent);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO bedrock_app, bedrock_system', day_table);
  EXECUTE format(
    'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
    parent, day_table, p_day::text || ' 00:00:00+00', (p_day + 1)::text || ' 00:00:00+00'
  );
  RETURN true;
END $$;
