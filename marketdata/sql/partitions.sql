-- Quotes and trades: a partition for every day, so that the index in use stays small and a finished day leaves at once.
CREATE TABLE marketdata_quote (
  instrument_id uuid NOT NULL,
  timestamp timestamptz NOT NULL,
  bid numeric(25, 10) NOT NULL CONSTRAINT marketdata_quote_bid_check CHECK (bid <> 'NaN'),
  ask numeric(25, 10) NOT NULL CONSTRAINT marketdata_quote_ask_check CHECK (ask <> 'NaN'),
  bid_size numeric(24, 12) CONSTRAINT bid_size_not_negative CHECK (bid_size >= 0 AND bid_size <> 'NaN'),
  ask_size numeric(24, 12) CONSTRAINT ask_size_not_negative CHECK (ask_size >= 0 AND ask_size <> 'NaN'),
  recorded_at timestamptz NOT NULL,
  CONSTRAINT quote_once PRIMARY KEY (instrument_id, timestamp),
  CONSTRAINT bid_positive_and_not_above_ask CHECK (bid > 0 AND bid <= ask)
) PARTITION BY RANGE (timestamp);

CREATE TABLE marketdata_tick (
  instrument_id uuid NOT NULL,
  timestamp timestamptz NOT NULL,
  price numeric(25, 10) NOT NULL CONSTRAINT marketdata_tick_price_check CHECK (price <> 'NaN'),
  size numeric(24, 12) NOT NULL CONSTRAINT tick_size_not_negative CHECK (size >= 0 AND size <> 'NaN'),
  conditions varchar(100) NOT NULL DEFAULT '',
  recorded_at timestamptz NOT NULL,
  CONSTRAINT tick_once PRIMARY KEY (instrument_id, timestamp, price, size)
) PARTITION BY RANGE (timestamp);

-- What Django reads: the same rows with a key of one column. Filters and orders reach the tables' own indexes.
CREATE VIEW marketdata_quote_keyed AS
SELECT instrument_id::text || '~' || (extract(epoch FROM timestamp) * 1000000)::bigint AS id, q.* FROM marketdata_quote AS q;
CREATE VIEW marketdata_tick_keyed AS
SELECT instrument_id::text || '~' || (extract(epoch FROM timestamp) * 1000000)::bigint || '~' || trim_scale(price) || '~'
       || trim_scale(size) AS id, t.*
FROM marketdata_tick AS t;

-- The name of a day's partition; a data set that has none is refused.
CREATE FUNCTION marketdata_day_table(p_dataset text, p_day date) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS $$
BEGIN
  IF p_dataset NOT IN ('quotes', 'ticks') THEN
    RAISE EXCEPTION 'only quotes and ticks have days, not %', p_dataset USING ERRCODE = 'invalid_parameter_value';
  END IF;
  RETURN format('marketdata_%s_%s', rtrim(p_dataset, 's'), to_char(p_day::timestamp, 'YYYYMMDD'));
END $$;

-- Hold a day until the transaction ends: writers share it, whoever archives it has it alone.
CREATE FUNCTION marketdata_hold_day(p_dataset text, p_day date, p_alone boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  lock_key bigint := hashtextextended('marketdata:' || p_dataset, 0) # (p_day - date '1970-01-01')::bigint;
BEGIN
  IF p_alone THEN
    PERFORM pg_advisory_xact_lock(lock_key);
  ELSE
    PERFORM pg_advisory_xact_lock_shared(lock_key);
  END IF;
END $$;

-- Make a day's partition where there is none, and say whether it had to be made. Attached rather than created in place, so that
-- nobody who reads or writes other days waits.
CREATE FUNCTION marketdata_add_day(p_dataset text, p_day date) RETURNS boolean
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
  IF to_regclass(day_table) IS NOT NULL THEN  -- somebody else has made it meanwhile
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

-- Drop a day's partition, which is refused unless a segment written in this transaction's view holds as many rows as it does.
CREATE FUNCTION marketdata_drop_day(p_dataset text, p_day date, p_segment uuid) RETURNS bigint
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
  EXECUTE format('SELECT count(*) FROM %I', day_table) INTO held;
  SELECT rows INTO archived FROM marketdata_archivesegment WHERE id = p_segment AND dataset = p_dataset AND day = p_day;
  IF held > 0 AND archived IS DISTINCT FROM held THEN
    RAISE EXCEPTION '% of % has % rows and the segment %', p_dataset, p_day, held, coalesce(archived::text, 'is missing')
      USING ERRCODE = 'restrict_violation';
  END IF;
  EXECUTE format('DROP TABLE %I', day_table);
  RETURN held;
END $$;

-- Every day that has a partition, oldest first.
CREATE FUNCTION marketdata_days(p_dataset text) RETURNS SETOF date
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
  SELECT to_date(right(child.relname, 8), 'YYYYMMDD')
  FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
  WHERE inhparent = to_regclass('public.marketdata_' || rtrim(p_dataset, 's'))
  ORDER BY 1
$$;

-- The tables of every day get these rights as they are made; rows are told apart by no tenant.
GRANT SELECT, INSERT, UPDATE, DELETE ON marketdata_quote, marketdata_tick TO bedrock_app, bedrock_system;
GRANT SELECT ON marketdata_quote_keyed, marketdata_tick_keyed TO bedrock_app, bedrock_system;
REVOKE ALL ON FUNCTION marketdata_add_day, marketdata_drop_day FROM PUBLIC;
GRANT EXECUTE ON FUNCTION marketdata_add_day, marketdata_drop_day TO bedrock_app, bedrock_system;
