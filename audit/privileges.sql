-- Run by the owner: nobody else may do more with a line of the audit log than read it and add one.
-- Default privileges give the application's role more in each table that is made, by a migration or by pg_restore, and a
-- dump holds what was granted, not what was taken away.
DO $$
DECLARE granted record;
BEGIN
    FOR granted IN
        SELECT item.privilege_type AS privilege, coalesce(quote_ident(role.rolname), 'PUBLIC') AS grantee
        FROM pg_class log CROSS JOIN aclexplode(log.relacl) item LEFT JOIN pg_roles role ON role.oid = item.grantee
        WHERE log.oid = to_regclass('audit_entry') AND item.grantee <> log.relowner
            AND item.privilege_type NOT IN ('SELECT', 'INSERT')
    LOOP
        EXECUTE format('REVOKE %s ON audit_entry FROM %s', granted.privilege, granted.grantee);
    END LOOP;
END $$;
