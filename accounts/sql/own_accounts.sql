-- The accounts where the acting user holds a role or a higher one. Who acts, and for which accounts, is read once and not for each
-- membership: every statement on rows of an account asks for it.
CREATE OR REPLACE FUNCTION app_accounts(min_role integer) RETURNS uuid[]
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = pg_catalog, public AS $$
  SELECT coalesce(array_agg(account_id), '{}')
  FROM accounts_membership
  WHERE user_id = (SELECT nullif(current_setting('app.user_id', true), '')::uuid)
    AND role >= min_role
    AND accepted_at IS NOT NULL
    AND ((SELECT coalesce(current_setting('app.account_ids', true), '') = '')
         OR account_id::text = ANY (string_to_array(current_setting('app.account_ids', true), ',')))
$$;
