-- What was recorded of orders, fills, breaches and changes of mind is added and never changed, whoever asks.
CREATE FUNCTION trading_no_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % is refused', tg_table_name, lower(tg_op) USING ERRCODE = 'restrict_violation';
END $$;

-- A change of a decision goes only together with the decision.
CREATE FUNCTION trading_change_goes_with_its_decision() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM trading_decision d WHERE d.account_id = OLD.account_id AND d.id = OLD.decision_id) THEN
    RAISE EXCEPTION 'the history of a decision is kept as long as the decision' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN OLD;
END $$;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['orderevent', 'fill', 'riskevent'] LOOP
    EXECUTE format('CREATE TRIGGER %1$s_fixed BEFORE UPDATE OR DELETE ON trading_%1$s FOR EACH ROW EXECUTE FUNCTION trading_no_change()', name);
    EXECUTE format('ALTER TABLE trading_%1$s ENABLE ALWAYS TRIGGER %1$s_fixed', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['orderevent', 'fill', 'riskevent', 'decisionchange', 'order'] LOOP
    EXECUTE format('CREATE TRIGGER %1$s_kept BEFORE TRUNCATE ON trading_%1$s FOR EACH STATEMENT EXECUTE FUNCTION trading_no_change()', name);
    EXECUTE format('ALTER TABLE trading_%1$s ENABLE ALWAYS TRIGGER %1$s_kept', name);
  END LOOP;
END $$;
CREATE TRIGGER decisionchange_fixed BEFORE UPDATE ON trading_decisionchange FOR EACH ROW EXECUTE FUNCTION trading_no_change();
CREATE TRIGGER decisionchange_goes BEFORE DELETE ON trading_decisionchange
FOR EACH ROW EXECUTE FUNCTION trading_change_goes_with_its_decision();
CREATE TRIGGER order_stays BEFORE DELETE ON trading_order FOR EACH ROW EXECUTE FUNCTION trading_no_change();
ALTER TABLE trading_decisionchange ENABLE ALWAYS TRIGGER decisionchange_fixed;
ALTER TABLE trading_decisionchange ENABLE ALWAYS TRIGGER decisionchange_goes;
ALTER TABLE trading_order ENABLE ALWAYS TRIGGER order_stays;

-- What was asked for never changes; how an order stands changes with an event alone, and not after its end.
CREATE FUNCTION trading_order_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF row(NEW.id, NEW.account_id, NEW.client_order_id, NEW.instrument_id, NEW.side, NEW.effect, NEW.type, NEW.time_in_force,
         NEW.order_class, NEW.notional, NEW.limit_price, NEW.stop_price, NEW.trail_price, NEW.trail_percent, NEW.extended_hours,
         NEW.reference_price, NEW.parent_id, NEW.role, NEW.replaces_id, NEW.session_id, NEW.decision_id, NEW.door, NEW.actor_id,
         NEW.created_at, NEW.broker)
     IS DISTINCT FROM
     row(OLD.id, OLD.account_id, OLD.client_order_id, OLD.instrument_id, OLD.side, OLD.effect, OLD.type, OLD.time_in_force,
         OLD.order_class, OLD.notional, OLD.limit_price, OLD.stop_price, OLD.trail_price, OLD.trail_percent, OLD.extended_hours,
         OLD.reference_price, OLD.parent_id, OLD.role, OLD.replaces_id, OLD.session_id, OLD.decision_id, OLD.door, OLD.actor_id,
         OLD.created_at, OLD.broker) THEN
    RAISE EXCEPTION 'what an order asks for never changes; replace it' USING ERRCODE = 'restrict_violation';
  END IF;
  IF OLD.broker_order_id <> '' AND NEW.broker_order_id <> OLD.broker_order_id THEN
    RAISE EXCEPTION 'the broker knows the order by another id' USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.events < OLD.events OR NEW.events = OLD.events AND
     row(NEW.status, NEW.quantity, NEW.filled_quantity, NEW.filled_value, NEW.filled_fee, NEW.average_price, NEW.pending_cancel,
         NEW.pending_replace, NEW.triggered, NEW.high_water_mark, NEW.ended_at)
     IS DISTINCT FROM
     row(OLD.status, OLD.quantity, OLD.filled_quantity, OLD.filled_value, OLD.filled_fee, OLD.average_price, OLD.pending_cancel,
         OLD.pending_replace, OLD.triggered, OLD.high_water_mark, OLD.ended_at) THEN
    RAISE EXCEPTION 'an order changes together with an event' USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.filled_quantity < OLD.filled_quantity OR NEW.status <> OLD.status AND
     (OLD.status IN ('FILLED', 'CANCELED', 'REJECTED', 'EXPIRED', 'REPLACED') OR NEW.status = 'NEW'
      OR OLD.status = 'PARTIALLY_FILLED' AND NEW.status IN ('ACCEPTED', 'REJECTED')) THEN
    RAISE EXCEPTION 'an order that is % does not become %', OLD.status, NEW.status USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER order_moves BEFORE UPDATE ON trading_order FOR EACH ROW EXECUTE FUNCTION trading_order_moves();
ALTER TABLE trading_order ENABLE ALWAYS TRIGGER order_moves;

-- When a transaction ends, the last event of each order it touched says how the order stands.
CREATE FUNCTION trading_order_has_its_event() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM trading_orderevent e
    WHERE e.account_id = NEW.account_id AND e.order_id = NEW.id AND e.sequence = NEW.events AND e.status = NEW.status
  ) THEN
    RAISE EXCEPTION 'order % lacks the event that made it %', NEW.id, NEW.status USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER order_inserted_with_its_event AFTER INSERT ON trading_order
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trading_order_has_its_event();
CREATE CONSTRAINT TRIGGER order_has_its_event AFTER UPDATE ON trading_order
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.events <> OLD.events) EXECUTE FUNCTION trading_order_has_its_event();

-- A stop of trading begins once and ends once, and is not rewritten.
CREATE FUNCTION trading_stop_ends_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF to_jsonb(OLD) - tg_argv::text[] <> to_jsonb(NEW) - tg_argv::text[] OR (to_jsonb(OLD) ->> tg_argv[0]) IS NOT NULL THEN
    RAISE EXCEPTION 'a stop of trading is ended once, and not rewritten' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER pause_ends_once BEFORE UPDATE ON trading_tradingpause
FOR EACH ROW EXECUTE FUNCTION trading_stop_ends_once('resumed_at', 'resumed_by_id', 'note');
CREATE TRIGGER pause_stays BEFORE DELETE ON trading_tradingpause FOR EACH ROW EXECUTE FUNCTION trading_no_change();
CREATE TRIGGER halt_ends_once BEFORE UPDATE ON trading_tradinghalt
FOR EACH ROW EXECUTE FUNCTION trading_stop_ends_once('ended_at', 'ended_by');
CREATE TRIGGER halt_stays BEFORE DELETE ON trading_tradinghalt FOR EACH ROW EXECUTE FUNCTION trading_no_change();

-- The strategies that run, or ran, in the acting user's accounts: members see them, whoever's they are.
CREATE FUNCTION app_strategies() RETURNS uuid[]
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = pg_catalog, public AS $$
  SELECT coalesce(array_agg(DISTINCT strategy_id), '{}') FROM trading_session
  WHERE strategy_id IS NOT NULL AND account_id = ANY ((SELECT app_accounts(10))::uuid[])
$$;
REVOKE ALL ON FUNCTION app_strategies() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app_strategies() TO bedrock_app, bedrock_system;
