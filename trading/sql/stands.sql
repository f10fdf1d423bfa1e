-- How an account stands at a time, as risk looks at it: one answer whose plans are kept, for members of the account alone. No
-- price is looked at that was not known by then. It is JSON in which numbers with a point are texts, and open orders a text each.
CREATE FUNCTION trading_stands(_account uuid, _instrument uuid, _minor text[], _at timestamptz) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  _resumed timestamptz; _gain_then numeric; _index_then numeric; _valued date; _read bigint; _basis text;
  _limits json; _losses integer; _falls boolean; _state json; _held json; _price json; _orders json;
  _known timestamptz := _at + interval '1 minute';  -- clocks of sources differ by seconds
BEGIN
  IF NOT _account = ANY (app_accounts(10)) THEN
    RETURN NULL;
  END IF;
  -- what counts towards a pause counts anew from the last time that an owner resumed trading
  SELECT pause.resumed_at, pause.day_gain, pause.twr_index, derived.valued_until, derived.read_up_to, derived.basis,
         l.account_id IS NULL OR l.max_drawdown_share IS NOT NULL,
         CASE WHEN l.account_id IS NULL THEN 5 ELSE l.max_consecutive_losses END,
         CASE WHEN l.account_id IS NOT NULL THEN json_build_object(
           'max_position_share', l.max_position_share::text, 'max_daily_loss_share', l.max_daily_loss_share::text,
           'max_drawdown_share', l.max_drawdown_share::text, 'max_consecutive_losses', l.max_consecutive_losses,
           'max_order_quantity', l.max_order_quantity::text, 'max_order_value', l.max_order_value::text,
           'max_open_orders', l.max_open_orders, 'allow_short', l.allow_short, 'close_while_paused', l.close_while_paused) END
  INTO _resumed, _gain_then, _index_then, _valued, _read, _basis, _falls, _losses, _limits FROM (SELECT 1) AS one
  LEFT JOIN LATERAL (
    SELECT p.resumed_at, p.day_gain, p.twr_index FROM trading_tradingpause p
    WHERE p.account_id = _account AND p.resumed_at IS NOT NULL ORDER BY p.started_at DESC LIMIT 1) AS pause ON true
  LEFT JOIN portfolio_projection derived ON derived.account_id = _account
  LEFT JOIN trading_risklimits l ON l.account_id = _account;
  SELECT json_build_object(
    'halted', (SELECT reason FROM trading_tradinghalt WHERE ended_at IS NULL),
    'paused', (SELECT reason FROM trading_tradingpause WHERE account_id = _account AND resumed_at IS NULL),
    'resumed', _resumed, 'gain_then', _gain_then::text,
    'broker', (SELECT broker FROM trading_brokerconnection WHERE account_id = _account AND enabled),
    'restricted', EXISTS (SELECT FROM trading_restrictedinstrument WHERE account_id = _account AND instrument_id = _instrument),
    'head', (SELECT sequence FROM accounts_ledgerhead WHERE account_id = _account),
    'read', _read, 'basis', _basis, 'valued', _valued,
    'total', s.total_value::text, 'power', s.buying_power::text, 'gain', s.day_gain::text, 'out', s.outflow::text,
    'index', s.twr_index::text,
    'peak', CASE WHEN _falls THEN
      greatest(_index_then, (SELECT max(p.twr_index) FROM portfolio_snapshot p
       WHERE p.account_id = _account AND p.date > coalesce((_resumed AT TIME ZONE 'UTC')::date, '-infinity')))::text END,
    'trades', CASE WHEN _losses IS NOT NULL THEN
      (SELECT json_agg(gain::text ORDER BY last DESC) FROM (
         -- what one order closed is one trade, in however many parts it was filled; of parts as many are looked at as may matter
         SELECT sum(newest.gain) AS gain, max(newest.number) AS last FROM (
           SELECT gain, number, closing, instrument_id FROM portfolio_closure
           WHERE account_id = _account AND quantity <> 0 AND closed_at > coalesce(_resumed, '-infinity')
           ORDER BY number DESC
           LIMIT least(200, 12 * (1 + _losses))) AS newest
         LEFT JOIN accounts_ledgerentry e ON e.account_id = _account AND e.sequence = newest.closing AND e.source = 'fill'
         LEFT JOIN trading_fill f ON f.account_id = _account AND f.entry_id = e.id
         WHERE f.broker IS DISTINCT FROM 'import'  -- that is what was traded elsewhere, and came with a file
         GROUP BY coalesce(f.order_id::text, newest.closing::text), newest.instrument_id) AS trades) END,
    'limits', _limits)
  INTO _state FROM (SELECT 1) AS one
  LEFT JOIN portfolio_snapshot s ON s.account_id = _account AND s.date = _valued;
  -- what all positions have made since they were valued, what is held of the instrument (pence are hundredths), and what has no
  -- value as no close of it is known
  SELECT json_build_object(
    'moved', sum(moved)::text, 'quantity', (sum(quantity) FILTER (WHERE id = _instrument))::text,
    'worth', (sum(value_in_base + moved) FILTER (WHERE id = _instrument))::text,
    'unvalued', json_agg(json_build_object(
      'id', id, 'quantity', quantity::text, 'price', price::text, 'cost', cost_basis::text, 'since', since, 'currency', currency,
      'multiplier', multiplier::text)) FILTER (WHERE value_in_base IS NULL))
  INTO _held FROM (
    SELECT p.instrument_id AS id, p.quantity, p.value_in_base, p.cost_basis, p.since, i.currency, i.multiplier, live.price,
           CASE WHEN live.price IS NULL OR p.market_price IS NULL OR p.market_price = 0 THEN 0 ELSE
             p.value_in_base * (live.price * CASE WHEN i.currency = ANY (_minor) THEN 0.01 ELSE 1 END / p.market_price - 1)
           END AS moved
    FROM portfolio_position p
    JOIN marketdata_instrument i ON i.id = p.instrument_id
    LEFT JOIN marketdata_latestquote q
      ON q.instrument_id = p.instrument_id AND q.timestamp >= coalesce(p.priced_on, '-infinity') AND q.timestamp <= _known
    LEFT JOIN marketdata_latesttick t
      ON t.instrument_id = p.instrument_id AND t.timestamp >= coalesce(p.priced_on, '-infinity') AND t.timestamp <= _known
    CROSS JOIN LATERAL (
      SELECT CASE WHEN q.timestamp IS NULL OR t.timestamp > q.timestamp THEN t.price ELSE (q.bid + q.ask) / 2 END AS price
    ) AS live
    WHERE p.account_id = _account AND p.quantity <> 0) AS held;
  SELECT json_build_object(
    'quoted', q.timestamp, 'bid', q.bid::text, 'ask', q.ask::text, 'traded', t.timestamp, 'trade', t.price::text,
    'day', bar.timestamp, 'close', bar.close::text, 'adjusted', bar.adjusted_through)
  INTO _price FROM (SELECT 1) AS one
  LEFT JOIN marketdata_latestquote q ON q.instrument_id = _instrument AND q.timestamp <= _known
  LEFT JOIN marketdata_latesttick t ON t.instrument_id = _instrument AND t.timestamp <= _known
  LEFT JOIN LATERAL (
    SELECT timestamp, close, adjusted_through FROM marketdata_bar
    WHERE instrument_id = _instrument AND timeframe = '1d' AND timestamp <= _known ORDER BY timestamp DESC LIMIT 1) AS bar ON true;
  IF _instrument IS NOT NULL AND num_nulls(_price ->> 'quoted', _price ->> 'traded', _price ->> 'day') = 3 THEN
    -- nothing is known of it but minutes, if that: the last that was over is its last trade
    SELECT json_build_object('quoted', NULL, 'bid', NULL, 'ask', NULL, 'traded', bar.timestamp, 'trade', bar.close::text,
                             'day', NULL, 'close', NULL, 'adjusted', NULL)
    INTO _price FROM (SELECT 1) AS one
    LEFT JOIN LATERAL (
      SELECT timestamp, close FROM marketdata_bar
      WHERE instrument_id = _instrument AND timeframe = '1m' AND timestamp <= _at - interval '1 minute'
      ORDER BY timestamp DESC LIMIT 1) AS bar ON true;
  END IF;
  -- in the order in which `trading.selectors.open_orders.Line` names them: there may be many, and most were told before
  SELECT coalesce(json_agg(concat(
    o.id, '|', o.parent_id, '|', o.replaces_id, '|', o.instrument_id, '|', o.side, '|', o.effect, '|', o.type, '|', o.sending, '|',
    o.quantity, '|', o.notional, '|', o.filled_quantity, '|', o.filled_value, '|', o.limit_price, '|', o.stop_price, '|',
    o.reference_price, '|', i.currency, '|', i.multiplier)), '[]')
  INTO _orders FROM trading_order o JOIN marketdata_instrument i ON i.id = o.instrument_id
  WHERE o.account_id = _account AND o.status IN ('ACCEPTED', 'NEW', 'PARTIALLY_FILLED');
  RETURN json_build_object('state', _state, 'held', _held, 'price', _price, 'orders', _orders)::text;
END $$;
REVOKE ALL ON FUNCTION trading_stands(uuid, uuid, text[], timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trading_stands(uuid, uuid, text[], timestamptz) TO bedrock_app;

-- The same, once whoever trades in the account has finished: limits are checked, and orders stored, one after another.
CREATE FUNCTION trading_stands_held(_purpose integer, _account uuid, _instrument uuid, _minor text[], _at timestamptz) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(_purpose, hashtext(_account::text));
  RETURN trading_stands(_account, _instrument, _minor, _at);  -- what was committed while it waited is seen
END $$;
REVOKE ALL ON FUNCTION trading_stands_held(integer, uuid, uuid, text[], timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trading_stands_held(integer, uuid, uuid, text[], timestamptz) TO bedrock_app;

-- One of the acting user's accounts with the user's role, and an instrument by its symbol and exchange; and, if the role reaches as
-- far as placing orders, how the account stands once whoever trades in it has finished. It runs as whoever asks, so that row-level
-- security holds. The account is read under the lock, too: what it was before does not count.
CREATE FUNCTION trading_ordering(
  _user uuid, _account uuid, _lowest smallint, _symbol text, _exchange text, _purpose integer, _minor text[], _at timestamptz,
  OUT account accounts_account, OUT role smallint, OUT instrument marketdata_instrument, OUT stands text)
RETURNS SETOF record LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  _role smallint;
BEGIN
  SELECT m.role, CASE WHEN m.role >= _lowest THEN pg_advisory_xact_lock(_purpose, hashtext(_account::text)) END
  INTO _role FROM accounts_membership m WHERE m.account_id = _account AND m.user_id = _user AND m.accepted_at IS NOT NULL;
  RETURN QUERY
  SELECT a, _role, i, CASE WHEN _role >= _lowest AND a.closed_on IS NULL AND i.id IS NOT NULL THEN
    trading_stands(_account, i.id, _minor, _at) END
  FROM accounts_account a LEFT JOIN marketdata_instrument i ON i.symbol = _symbol AND i.exchange = _exchange
  WHERE a.id = _account AND _role IS NOT NULL;
END $$;
REVOKE ALL ON FUNCTION trading_ordering(uuid, uuid, smallint, text, text, integer, text[], timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trading_ordering(uuid, uuid, smallint, text, text, integer, text[], timestamptz) TO bedrock_app;

DROP FUNCTION trading_standing_held(integer, uuid, uuid, text[], timestamptz);
DROP FUNCTION trading_standing_at(uuid, uuid, text[], timestamptz);
