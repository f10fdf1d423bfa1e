-- What is wrong with a ledger, or with all of them: of each account the first bad entry, found by recomputing every hash and
-- looking up every neighbor. It sees what the caller may see. The planner does not know what a hash costs: unless told, it
-- would leave the work to one process.
CREATE FUNCTION ledger_faults(p_account uuid DEFAULT NULL)
RETURNS TABLE (account_id uuid, sequence bigint, fault text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
SET parallel_setup_cost = 0 SET parallel_tuple_cost = 0 SET min_parallel_table_scan_size = 0
SET enable_nestloop = off SET enable_memoize = off AS $$
  SELECT DISTINCT ON (bad.account_id) bad.account_id, bad.sequence, bad.fault
  FROM (
    SELECT e.account_id, e.sequence, CASE
      WHEN e.hash <> sha256(e.previous_hash || ledger_canonical(e)) THEN 'its fields or its hash were changed'
      WHEN before.sequence IS NULL AND e.sequence <> 1 THEN 'the entry before it is missing'
      WHEN e.previous_hash <> coalesce(before.hash, '') THEN 'it is not chained to the entry before it'
      WHEN head.sequence IS NULL OR e.sequence > head.sequence THEN 'it lies beyond the head of the ledger'
      WHEN e.sequence = head.sequence AND e.hash <> head.hash THEN 'its hash is not the one the head of the ledger remembers'
      END AS fault
    FROM accounts_ledgerentry e
    LEFT JOIN accounts_ledgerentry before ON before.account_id = e.account_id AND before.sequence = e.sequence - 1
    LEFT JOIN accounts_ledgerhead head ON head.account_id = e.account_id
    WHERE p_account IS NULL OR e.account_id = p_account
    UNION ALL
    SELECT head.account_id, last.sequence + 1, 'it is missing, though the head of the ledger knows of it'
    FROM accounts_ledgerhead head
    CROSS JOIN LATERAL (
      SELECT coalesce(max(e.sequence), 0) AS sequence FROM accounts_ledgerentry e WHERE e.account_id = head.account_id) AS last
    WHERE last.sequence < head.sequence AND (p_account IS NULL OR head.account_id = p_account)
  ) AS bad
  WHERE bad.fault IS NOT NULL
  ORDER BY bad.account_id, bad.sequence
$$;
