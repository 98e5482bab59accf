-- Two roles and the database, run by a superuser for each new database; roles that are there stay as they are:
--   psql -v database=submitter -v owner=submitter_owner -v application=submitter -f roles.sql
-- The owner migrates; the application reads and writes rows, and can neither change tables nor make any.
-- Give both a password with \password, or let pg_hba.conf say how they come in.
\set ON_ERROR_STOP on
select format('create role %I login', name) from unnest(array[:'owner', :'application']) as name
    where not exists (select from pg_roles where rolname = name) \gexec
create database :"database" owner :"owner" encoding 'UTF8' template template0;
revoke all on database :"database" from public;
grant connect, temporary on database :"database" to :"application";
\connect :"database"
revoke all on schema public from public;
alter schema public owner to :"owner";
grant usage on schema public to :"application";
alter default privileges for role :"owner" in schema public
    grant select, insert, update, delete on tables to :"application";
alter default privileges for role :"owner" in schema public
    grant usage, select on sequences to :"application";
