-- What happens in an account is put down for the addresses that are told of it, together with what happened.
CREATE FUNCTION trading_instant(moment timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- An id that begins with the time, as ids of all other rows do.
CREATE FUNCTION trading_new_id() RETURNS uuid LANGUAGE sql VOLATILE AS $$
  SELECT encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid()) PLACING
              substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
      52, 1), 53, 1), 'hex')::uuid
$$;

CREATE FUNCTION trading_number(number numeric) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT trim_scale(number)::text
$$;

CREATE FUNCTION trading_tell_of_orders() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF NOT EXISTS (  -- as a rule nobody listens, and orders are not to wait for it
    SELECT FROM news n JOIN trading_webhook w ON w.account_id = n.account_id AND w.enabled AND 'ORDER' = ANY (w.topics)
  ) THEN
    RETURN NULL;
  END IF;
  INSERT INTO trading_delivery (id, account_id, webhook_id, topic, event_id, payload, created_at, next_try_at, attempts, last_error)
  SELECT trading_new_id(), n.account_id, w.id, 'ORDER', n.id,
         jsonb_build_object(
           'event', n.kind, 'status', n.status, 'sequence', n.sequence, 'at', trading_instant(n.at), 'order', o.id,
           'client_order_id', o.client_order_id, 'instrument', i.symbol || ':' || i.exchange, 'side', o.side, 'type', o.type,
           'quantity', trading_number(o.quantity), 'notional', trading_number(o.notional),
           'limit_price', trading_number(o.limit_price), 'stop_price', trading_number(o.stop_price), 'detail', n.detail),
         n.recorded_at, n.recorded_at, 0, ''
  FROM news n
  JOIN trading_webhook w ON w.account_id = n.account_id AND w.enabled AND 'ORDER' = ANY (w.topics)
  JOIN trading_order o ON o.account_id = n.account_id AND o.id = n.order_id
  JOIN marketdata_instrument i ON i.id = o.instrument_id
  WHERE n.door <> 'IMPORT'  -- what files bring in is long over
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;

CREATE FUNCTION trading_tell_of_fills() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF NOT EXISTS (  -- as a rule nobody listens, and orders are not to wait for it
    SELECT FROM news n JOIN trading_webhook w ON w.account_id = n.account_id AND w.enabled AND 'FILL' = ANY (w.topics)
  ) THEN
    RETURN NULL;
  END IF;
  INSERT INTO trading_delivery (id, account_id, webhook_id, topic, event_id, payload, created_at, next_try_at, attempts, last_error)
  SELECT trading_new_id(), n.account_id, w.id, 'FILL', n.id,
         jsonb_build_object(
           'event', 'FILLED', 'fill', n.id, 'order', o.id, 'client_order_id', o.client_order_id,
           'instrument', i.symbol || ':' || i.exchange, 'side', o.side, 'quantity', trading_number(n.quantity),
           'price', trading_number(n.price), 'fee', trading_number(n.fee), 'currency', i.currency, 'broker', n.broker,
           'execution_id', n.execution_id, 'entry', n.entry_id, 'at', trading_instant(n.at)),
         n.recorded_at, n.recorded_at, 0, ''
  FROM news n
  JOIN trading_webhook w ON w.account_id = n.account_id AND w.enabled AND 'FILL' = ANY (w.topics)
  JOIN trading_order o ON o.account_id = n.account_id AND o.id = n.order_id
  JOIN marketdata_instrument i ON i.id = o.instrument_id
  WHERE n.broker <> 'import'  -- what files bring in is long over
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;

CREATE FUNCTION trading_tell_of_breaches() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO trading_delivery (id, account_id, webhook_id, topic, event_id, payload, created_at, next_try_at, attempts, last_error)
  SELECT trading_new_id(), n.account_id, w.id, 'RISK', n.id,
         jsonb_build_object(
           'event', 'BREACH', 'risk_event', n.id, 'type', n.type, 'severity', n.severity, 'action_taken', n.action_taken,
           'detail', n.detail, 'value', trading_number(n.value), 'limit', trading_number(n."limit"),
           'instrument', i.symbol || ':' || i.exchange, 'order', n.order_id, 'at', trading_instant(n.at)),
         n.recorded_at, n.recorded_at, 0, ''
  FROM news n
  JOIN trading_webhook w ON w.account_id = n.account_id AND w.enabled AND 'RISK' = ANY (w.topics)
  LEFT JOIN marketdata_instrument i ON i.id = n.instrument_id
  WHERE n.source = 'risk'  -- what files bring in is long over
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;

-- A pause is told when it begins and when it ends; the second telling has an id that follows from the first.
CREATE FUNCTION trading_tell_of_pauses() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO trading_delivery (id, account_id, webhook_id, topic, event_id, payload, created_at, next_try_at, attempts, last_error)
  SELECT trading_new_id(), n.account_id, w.id, 'RISK',
         CASE WHEN n.resumed_at IS NULL THEN n.id ELSE md5(n.id::text || ' resumed')::uuid END,
         jsonb_build_object(
           'event', CASE WHEN n.resumed_at IS NULL THEN 'PAUSED' ELSE 'RESUMED' END, 'pause', n.id, 'reason', n.reason,
           'note', n.note, 'risk_event', n.event_id, 'at', trading_instant(coalesce(n.resumed_at, n.started_at))),
         coalesce(n.resumed_at, n.started_at), coalesce(n.resumed_at, n.started_at), 0, ''
  FROM news n
  JOIN trading_webhook w ON w.account_id = n.account_id AND w.enabled AND 'RISK' = ANY (w.topics)
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;

CREATE FUNCTION trading_tell_of_alerts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO trading_delivery (id, account_id, webhook_id, topic, event_id, payload, created_at, next_try_at, attempts, last_error)
  SELECT trading_new_id(), n.account_id, w.id, 'ALERT', md5(concat_ws(' ', n.account_id, n.subject, n.since))::uuid,
         jsonb_build_object('event', 'BOUND_BROKEN', 'subject', n.subject, 'message', n.message, 'at', trading_instant(n.since)),
         n.since, n.since, 0, ''
  FROM news n
  JOIN trading_webhook w ON w.account_id = n.account_id AND w.enabled AND 'ALERT' = ANY (w.topics)
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;

CREATE FUNCTION trading_tell_of_breaks() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO trading_delivery (id, account_id, webhook_id, topic, event_id, payload, created_at, next_try_at, attempts, last_error)
  SELECT trading_new_id(), n.account_id, w.id, 'ALERT', n.id,
         jsonb_build_object(
           'event', 'BREAK', 'break', n.id, 'broker', n.broker, 'kind', n.kind, 'subject', n.subject, 'detail', n.detail,
           'ours', trading_number(n.ours), 'theirs', trading_number(n.theirs), 'at', trading_instant(n.found_at)),
         n.found_at, n.found_at, 0, ''
  FROM news n
  JOIN trading_webhook w ON w.account_id = n.account_id AND w.enabled AND 'ALERT' = ANY (w.topics)
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;

CREATE TRIGGER told_of_orders AFTER INSERT ON trading_orderevent REFERENCING NEW TABLE AS news
FOR EACH STATEMENT EXECUTE FUNCTION trading_tell_of_orders();
CREATE TRIGGER told_of_fills AFTER INSERT ON trading_fill REFERENCING NEW TABLE AS news
FOR EACH STATEMENT EXECUTE FUNCTION trading_tell_of_fills();
CREATE TRIGGER told_of_breaches AFTER INSERT ON trading_riskevent REFERENCING NEW TABLE AS news
FOR EACH STATEMENT EXECUTE FUNCTION trading_tell_of_breaches();
CREATE TRIGGER told_of_pauses AFTER INSERT ON trading_tradingpause REFERENCING NEW TABLE AS news
FOR EACH STATEMENT EXECUTE FUNCTION trading_tell_of_pauses();
CREATE TRIGGER told_of_resumptions AFTER UPDATE ON trading_tradingpause REFERENCING NEW TABLE AS news
FOR EACH STATEMENT EXECUTE FUNCTION trading_tell_of_pauses();
CREATE TRIGGER told_of_alerts AFTER INSERT ON portfolio_alert REFERENCING NEW TABLE AS news
FOR EACH STATEMENT EXECUTE FUNCTION trading_tell_of_alerts();
CREATE TRIGGER told_of_breaks AFTER INSERT ON trading_break REFERENCING NEW TABLE AS news
FOR EACH STATEMENT EXECUTE FUNCTION trading_tell_of_breaks();
