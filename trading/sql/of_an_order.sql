-- Events and fills are of an order of their account. It is looked for once for all that a statement adds, order by order: orders
-- are never removed and keep their account and id, and events and fills never change, whoever asks, so that it stays so.
CREATE FUNCTION trading_of_an_order() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF EXISTS (
    SELECT FROM (SELECT DISTINCT account_id, order_id FROM news) AS n
    WHERE NOT EXISTS (  -- OFFSET: by the key of each, however many orders there are
      SELECT FROM trading_order o WHERE o.account_id = n.account_id AND o.id = n.order_id OFFSET 0)
  ) THEN
    RAISE EXCEPTION 'a row of % names an order that its account does not have (%)', tg_table_name, tg_argv[0]
      USING ERRCODE = 'foreign_key_violation', CONSTRAINT = tg_argv[0];
  END IF;
  RETURN NULL;
END $$;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['orderevent', 'fill'] LOOP
    EXECUTE format('ALTER TABLE trading_%1$s DROP CONSTRAINT %1$s_order_of_the_account', name);
    EXECUTE format('CREATE TRIGGER %1$s_of_an_order AFTER INSERT ON trading_%1$s REFERENCING NEW TABLE AS news FOR EACH STATEMENT EXECUTE FUNCTION trading_of_an_order(%2$L)', name, name || '_order_of_the_account');
    EXECUTE format('ALTER TABLE trading_%1$s ENABLE ALWAYS TRIGGER %1$s_of_an_order', name);
  END LOOP;
END $$;
